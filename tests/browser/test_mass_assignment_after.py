"""After a run, in a real browser: two beside each other, and who kept hers after an undo (B-03, B-04)."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from loyalty import clock
from offers.models import Assignment
from offers.services import mass_assignment_undo
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory, plan_run, redeem, work

SHOTS = os.environ.get("LAUREL_SHOTS")


def _shot(page: Page, name: str) -> None:
    """Keep a picture for who asks for one."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_b_03_two_runs_stand_side_by_side(open_context, person, sign_in, programme, assert_accessible, width):
    """B-03: from a run to another one chosen from the list, on a desk and on a phone."""
    MemberFactory.create_batch(4, programme=programme)
    everyone = TargetingFactory(programme=programme, name="Everyone")
    one = work(plan_run(ConfigOfferFactory(programme=programme, name="Tea"), targeting=everyone, name="First wave"))
    other = plan_run(ConfigOfferFactory(programme=programme, name="Milk"), targeting=everyone, name="Second wave")
    work(other)
    redeem(Assignment.objects.filter(run=one).first())
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_navigation_timeout(60_000)
    sign_in(page, person("marketer"))
    page.goto(f"/offers/runs/{one.pk}/")
    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_text("Choose the run to put beside it")).to_be_visible()
    assert_accessible(page)
    page.locator("#with").select_option(str(other.pk))
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("4 members stand in both frozen audiences.")).to_be_visible()
    expect(page.get_by_role("row", name="Used").first).to_contain_text("1 25")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(page)
    # The other run's column is in sight, not behind a scroll.
    box = page.get_by_role("columnheader", name="Second wave").bounding_box()
    assert box
    assert box["x"] + box["width"] <= width
    _shot(page, f"20-comparison-{width}")


@pytest.mark.parametrize("width", [1280, 390])
def test_b_04_after_an_undo_each_member_says_what_became_of_her(
    open_context, person, sign_in, programme, assert_accessible, width
):
    """B-04: nobody is called assigned who is not; who had used hers kept it, and the filter finds her."""
    MemberFactory.create_batch(4, programme=programme)
    MemberFactory(programme=programme, status="inactive")
    run = work(plan_run(ConfigOfferFactory(programme=programme, name="Tea"), name="Slip"))
    redeem(Assignment.objects.filter(run=run).first())
    mass_assignment_undo.start(run=run, reason="wrong offer", actor=None, now=clock.now())
    mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_navigation_timeout(60_000)
    sign_in(page, person("marketer"))
    page.goto(f"/offers/runs/{run.pk}/")
    members = page.locator("#outcomes tbody")
    expect(members.get_by_text("taken back by the undo")).to_have_count(3)
    expect(members.get_by_text("used, so it stayed")).to_have_count(1)
    expect(members.get_by_text("assigned", exact=True)).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(page)
    _shot(page, f"21-undone-{width}")
    page.get_by_role("link", name="Filter and export").click()
    page.get_by_label("Outcome").select_option("kept")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert_accessible(page)
    _shot(page, f"22-undone-members-{width}")
