"""A grant beyond an allowance in a real browser: asked for, approved by a lead, its code read out (B-05)."""

import re

import pytest
from playwright.sync_api import expect

from loyalty.models import User
from offers.models import Assignment
from support.models import GrantRequest
from tests.browser.test_desk import ann, open_panel, template
from tests.factories.allowance import allow, allow_members

__all__ = ["ann", "template"]


@pytest.fixture
def lead(open_context, person, sign_in):
    page = open_context().new_page()
    sign_in(page, person("support lead"))
    return page


def test_b_05_an_agent_asks_and_a_lead_approves_in_place(
    page, person, sign_in, lead, programme, ann, template, assert_accessible, tmp_path
):
    """The panel says live that it waits; on the lead's page everything is in view; the agent sees what came of it."""
    agent = person("support agent")
    sign_in(page, agent)
    allow(programme, role="support agent", per_week=20, single_minor=300)
    allow_members(programme, number=3, amount_minor=5_000)
    page.goto(f"/support/members/{ann.pk}")
    page.keyboard.press("n")
    panel = page.get_by_role("dialog", name=re.compile("Grant an offer"))
    panel.get_by_role("link", name=re.compile("Make good")).click()
    ask = panel.get_by_role("button", name=re.compile("Ask for approval: Voucher 5 €"))
    expect(ask).to_be_visible()
    expect(panel.get_by_text("5.00 € in one grant, of 3.00 €")).to_be_visible()
    panel.get_by_label("Size").fill("2.50")
    expect(panel.get_by_role("button", name=re.compile("Grant Voucher 5 €"))).to_be_visible()
    panel.get_by_label("Size").fill("4.50")
    expect(ask).to_be_visible()
    assert_accessible(page)
    # Hiding the caret would leave styles at fields, which the next swap carries on.
    page.screenshot(path=tmp_path / "panel.png", caret="initial")
    panel.get_by_label("Reason").select_option("code_refused")
    panel.get_by_label("Ticket").fill("#48213")
    ask.click()
    expect(panel).to_be_hidden()
    expect(page.locator(".toast-line")).to_contain_text("It waits for a second person")
    expect(page.get_by_role("heading", name="Waiting for a second person")).to_be_visible()
    assert not Assignment.objects.exists()

    lead.goto("/")
    lead.get_by_role("link", name=re.compile("Waiting grants")).click()
    lead.get_by_text("Voucher 5 €").first.click()
    approve = lead.get_by_role("button", name="Approve and grant Voucher 5 €")
    expect(approve).to_be_visible()
    expect(lead.locator("#must-wait").get_by_text("4.50 € in one grant, of 3.00 €")).to_be_visible()
    assert_accessible(lead)
    lead.screenshot(path=tmp_path / "waiting.png", full_page=True)
    approve.click()
    expect(lead.locator(".toast-line")).to_contain_text("Approved. It is granted.")
    assert Assignment.objects.get().actor == User.objects.get(pk=GrantRequest.objects.get().asked_by_id)
    assert_accessible(lead)

    page.goto("/")
    expect(page.get_by_text(re.compile("approved by"))).to_be_visible()
    assert_accessible(page)
    page.screenshot(path=tmp_path / "home.png", full_page=True)


def test_d_10_the_code_is_shown_and_copied_from_the_result(page, person, sign_in, ann, template, assert_accessible):
    """Shown only when it is asked for, which is recorded first."""
    sign_in(page, person("support agent"))
    panel = open_panel(page, ann)
    panel.get_by_label("Reason").select_option("goodwill")
    panel.get_by_role("button", name=re.compile("Grant Voucher 5 €")).click()
    show = panel.get_by_role("button", name="Show the code")
    expect(show).to_be_visible()
    assert Assignment.objects.get().exposed_at is None
    show.click()
    expect(panel.get_by_text("ABCD-1234")).to_be_visible()
    expect(panel.locator("[data-copy='ABCD-1234']")).to_be_visible()
    assert Assignment.objects.get().exposed_at is not None
    assert_accessible(page)


def test_b_05_an_administrator_sets_an_allowance(page, person, sign_in, programme, assert_accessible, tmp_path):
    sign_in(page, person("administrator"))
    page.goto("/support/allowances")
    assert_accessible(page)
    page.keyboard.press("n")
    page.get_by_label("Whom it is for").select_option("everybody")
    page.get_by_label("Grants per day").fill("20")
    page.get_by_label("Money per week").fill("200")
    assert_accessible(page)
    page.get_by_role("button", name="Save the allowance").click()
    expect(page.locator(".toast-line")).to_contain_text("It counts from now on.")
    expect(page.get_by_role("cell", name="200.00 €", exact=True)).to_be_visible()
    assert_accessible(page)
    page.screenshot(path=tmp_path / "allowances.png", full_page=True)
