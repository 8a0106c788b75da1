"""Building, launching and watching a mass assignment in a real browser (issue "Screens"; S4-22..28)."""

import os
import re
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from loyalty import clock
from loyalty.services import member_token
from offers.models import MassAssignment
from offers.services import execution, mass_assignment
from tests import workers
from tests.browser.late import hold_back
from tests.factories import (
    AttributeDefinitionFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    TargetingFactory,
    give,
    import_codes,
)

SHOTS = os.environ.get("LAUREL_SHOTS")
COLUMBUS = {"op": "and", "items": [{"field": "member.city", "is": "equals", "value": "Columbus"}]}


def _shot(page: Page, name: str) -> None:
    """Keep a picture for who asks for one."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


@pytest.fixture
def coffee(programme):
    offer = ConfigOfferFactory(
        programme=programme, name="Coffee 20 % off", offer_reference="COFFEE-20", require_vouchers=True
    )
    OfferTemplateFactory(config_offer=offer, name="Win-back", required_rules=["benefit", "validity"])
    ConfigOfferFactory(programme=programme, name="Pasta, one euro off", offer_reference="PASTA-1")
    CampaignFactory(programme=programme, name="Autumn")
    return offer


@pytest.fixture
def audience(programme):
    MemberFactory.create_batch(24, programme=programme)
    MemberFactory.create_batch(2, programme=programme, status="inactive")
    MemberFactory.create_batch(3, programme=programme, city="Dayton")
    return TargetingFactory(programme=programme, name="Coffee lovers of Columbus", criteria=COLUMBUS)


def _choose(page: Page) -> None:
    """Walk through the flow to the dry run."""
    page.set_default_navigation_timeout(60_000)
    page.goto("/offers/runs/")
    page.get_by_role("link", name="Assign an offer").first.click()
    page.get_by_label("Offer or template").fill("win")
    page.get_by_role("link", name=re.compile("Win-back")).click()
    page.get_by_label("Size").first.fill("25")
    page.get_by_label("Type").first.select_option("percent")
    page.get_by_label(re.compile("^Days")).first.fill("14")
    _shot(page, "2-terms")
    page.get_by_role("button", name=re.compile("^Continue")).click()
    _shot(page, "3-audience")
    page.get_by_role("link", name=re.compile("Coffee lovers of Columbus")).click()
    expect(page.get_by_role("heading", name="Dry run")).to_be_visible()


def test_a_marketer_builds_launches_and_watches_a_run_and_a_member_sees_the_offer(
    page, person, sign_in, coffee, audience, programme, tmp_path, assert_accessible
):
    """S4-24..27, S0-07, C-04: through the pages and a real worker to the member's own list."""
    import_codes(coffee, 30)
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    page.goto("/offers/runs/")
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    _shot(page, "0-no-runs")
    page.goto("/offers/runs/new")
    expect(page.get_by_role("link", name=re.compile("COFFEE-20"))).to_have_count(2)
    assert_accessible(page)
    _shot(page, "1-offer")
    _choose(page)
    launch = page.get_by_role("button", name="Launch 24 assignments")
    expect(launch).to_be_enabled()
    expect(page.locator("#dry-run")).to_contain_text("26 matched − 2 not active = 24 to assign")
    expect(page.locator("#dry-run")).to_contain_text("24 needed of 30 left")
    expect(page.locator("#dry-run")).to_contain_text("Check the target before you launch")
    page.get_by_text("Some of them").click()
    expect(page.get_by_role("region", name="Some members of the audience").locator("tbody tr")).to_have_count(8)
    # Nothing is lost by a reload: the address is the draft.
    page.reload()
    expect(launch).to_be_visible()
    expect(page.locator("#audience-count")).to_have_text("26 members")
    page.get_by_role("link", name="Change the options").click()
    page.get_by_label("Campaign").select_option(label="Autumn")
    page.get_by_label("Name").fill("Autumn, first wave")
    page.get_by_label("Name").blur()
    expect(page).to_have_url(re.compile("first.+wave"))
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("Autumn, first wave")
    assert_accessible(page)
    _shot(page, "4-options")
    page.get_by_role("button", name=re.compile("^Continue")).click()
    expect(launch).to_be_enabled()
    assert_accessible(page)
    _shot(page, "5-dry-run")

    with workers.worker(tmp_path, MASS_ASSIGNMENT_CHUNK=10):
        launch.dblclick()
        expect(page.get_by_role("heading", name="Autumn, first wave")).to_be_visible()
        _shot(page, "6-launched")
        expect(page.locator("#run-live").get_by_text("Mass assignment is now finished!")).to_be_visible(timeout=60_000)
    expect(page.locator("#run-live")).to_contain_text("24 of 24")
    expect(page.locator("#outcomes tbody tr")).to_have_count(26)
    assert_accessible(page)
    _shot(page, "7-finished")
    assert MassAssignment.objects.count() == 1
    page.get_by_role("link", name="Filter and export").click()
    expect(page.locator(".count")).to_have_text("26 members")
    page.get_by_label("Outcome").select_option("member_inactive")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("outcome=member_inactive"))
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator(".count")).to_have_text("2 members")
    assert_accessible(page)
    _shot(page, "7-members")
    page.goto("/offers/runs/")
    expect(page.locator("tbody tr")).to_contain_text(["24 of 24"])
    assert_accessible(page)
    _shot(page, "8-runs")
    member = programme.members.filter(status="active", city="Columbus").first()
    token = member_token.mint(member=member, now=clock.now())
    mine = Client().get("/api/v1/me/offers", headers={"Authorization": f"Bearer {token}"}).json()
    assert [offer["name"] for offer in mine["offers"]] == ["Coffee 20 % off"]


def test_c_04_a_late_answer_to_a_changed_term_does_not_take_the_later_choices_out_of_the_address(
    page, person, sign_in, coffee, audience
):
    """C-04: the address is the draft; of two requests on their way the later one is what the marketer did last."""
    import_codes(coffee, 30)
    sign_in(page, person("marketer"))
    late = hold_back(page, "**/offers/runs/new?*", part="&step=terms")
    _choose(page)
    expect(page.get_by_role("button", name="Launch 24 assignments")).to_be_enabled()
    assert late, "Nothing kept the terms while they were filled in."
    for route in late:
        route.continue_()
    # An answer that still counted would be here by then.
    page.wait_for_timeout(1_000)
    expect(page).to_have_url(re.compile("targeting="))
    page.reload()
    expect(page.get_by_role("button", name="Launch 24 assignments")).to_be_visible()


def test_c_04_a_term_that_is_left_while_the_step_is_being_sent_does_not_call_it_back(
    page, person, sign_in, coffee, audience
):
    """C-04: sent by the keyboard, and only then does the field lose the focus."""
    sign_in(page, person("marketer"))
    page.goto("/offers/runs/new")
    page.get_by_role("link", name=re.compile("Win-back")).click()
    page.get_by_label("Type").first.select_option("percent")
    page.get_by_label(re.compile("^Days")).first.fill("14")
    late = hold_back(page, "**/offers/runs/new?*", part="&terms=set")
    page.get_by_label("Size").first.fill("25")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#flow form.htmx-request")).to_have_count(1)
    page.get_by_role("heading", name="Terms").click()
    page.wait_for_timeout(300)
    assert len(late) == 1
    late[0].continue_()
    expect(page.get_by_label("Audience", exact=False).first).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Coffee lovers of Columbus"))).to_be_visible()


def test_too_few_codes_are_shown_before_and_a_failed_run_says_what_to_do(
    page, person, sign_in, coffee, audience, assert_accessible
):
    """S4-28, B-01: the shortfall plan in the dry run; the failure in words; launched again after an import."""
    import_codes(coffee, 20)
    sign_in(page, person("marketer"))
    _choose(page)
    expect(page.locator("#dry-run")).to_contain_text("4 codes are missing.")
    expect(page.get_by_role("button", name="Launch 24 assignments")).to_be_disabled()
    assert_accessible(page)
    _shot(page, "9-short")
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_text("A draft: nothing was assigned")).to_be_visible()
    page.get_by_role("button", name="Launch…").click()
    dialog = page.get_by_role("dialog", name="Launch this draft")
    expect(dialog).to_contain_text("24 codes needed of 20 left")
    _shot(page, "10-draft")
    expect(dialog.get_by_role("button", name="Launch 24 assignments")).to_be_disabled()
    # Someone else's launch took codes between the look and the click.
    run = MassAssignment.objects.get()
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    page.reload()
    expect(page.locator("#run-live")).to_contain_text("Launched. The audience is worked out")
    _shot(page, "11-scheduled")
    execution.plan(run_id=run.pk, now=clock.now())
    expect(page.get_by_text("The mass assignment failed. Nobody was assigned.")).to_be_visible()
    expect(page.get_by_role("alert").first).to_contain_text(
        "It needs 24 codes and 20 were left: import 4 more, then launch again."
    )
    assert_accessible(page)
    _shot(page, "12-failed")
    import_codes(coffee, 4)
    page.reload()
    page.get_by_role("button", name="Launch again").click()
    expect(page.get_by_text("Launched. The audience is worked out")).to_be_visible()
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    expect(page.locator("#run-live").get_by_text("Mass assignment is now finished!")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 768])
def test_a_run_is_watched_paused_and_cancelled(
    open_context, person, sign_in, coffee, audience, settings, width, assert_accessible
):
    """S4-27: progress counts committed rows; pausing and cancelling say what they do."""
    settings.MASS_ASSIGNMENT_CHUNK = 5
    import_codes(coffee, 30)
    give(audience.programme.members.first(), coffee)
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, person("marketer"))
    _choose(page)
    page.get_by_role("button", name="Launch 24 assignments").click()
    expect(page.get_by_text("Launched. The audience is worked out")).to_be_visible()
    run = MassAssignment.objects.get()
    execution.plan(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    expect(page.locator("#run-live")).to_contain_text("10 of 24")
    expect(page.locator("#run-live")).to_contain_text("a minute")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile("^41.67"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(page)
    _shot(page, f"13-running-{width}")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name=re.compile("Resume: 14 to go"))).to_be_visible()
    _shot(page, f"14-paused-{width}")
    page.get_by_role("button", name=re.compile("^Cancel…")).click()
    expect(page.get_by_role("dialog", name="Cancel this run")).to_contain_text("10 assignments were made and stay.")
    _shot(page, f"15-cancel-{width}")
    page.get_by_role("button", name="Cancel the last 14").click()
    expect(page.get_by_text("Cancelled.").first).to_be_visible()
    run.refresh_from_db()
    assert run.state == "cancelled"
    page.goto("/offers/runs/new" if width == 768 else "/offers/runs/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    _shot(page, f"16-list-or-flow-{width}")


def test_a_marketer_gives_each_member_a_size_of_her_own(page, person, sign_in, programme, audience, assert_accessible):
    """S1-01, S1-05: a formula in the terms, its spread and three members in the dry run, the line on the run's page."""
    AttributeDefinitionFactory(programme=programme, name="loyalty_score", type="number", label="Loyalty score")
    offer = ConfigOfferFactory(programme=programme, name="Coffee", terms={"validity": {"days": 30}})
    OfferTemplateFactory(config_offer=offer, name="Win-back", required_rules=["benefit"])
    for number, member in enumerate(programme.members.filter(city="Columbus", status="active").order_by("pk")):
        member.attributes = {"loyalty_score": 50 + 10 * number} if number else {}
        member.save(update_fields=["attributes"])
    sign_in(page, person("marketer"))
    page.set_default_navigation_timeout(60_000)
    page.goto(f"/offers/runs/new?template={offer.templates.get(name='Win-back').pk}&targeting={audience.pk}")
    page.get_by_label("Type").first.select_option("percent")
    own = page.locator(".run-field", has=page.locator("#id_benefit__size")).locator("details")
    own.get_by_text("Different for each member").click()
    own.get_by_label("From").fill("min(30, max(5, score / 10))")
    own.get_by_label("At least").fill("5")
    own.get_by_label("At most").fill("30")
    page.get_by_role("button", name=re.compile("^Continue")).click()
    expect(own).to_contain_text("there is no numeric attribute “score” (there are: loyalty_score) at character 16.")
    assert_accessible(page)
    _shot(page, "9-own-refused")
    own.get_by_label("From").fill("min(30, max(5, loyalty_score / 10))")
    page.get_by_role("button", name=re.compile("^Continue")).click()
    dry_run = page.locator("#dry-run")
    expect(dry_run).to_contain_text("26 matched − 2 not active − 1 without a value = 23 to assign")
    # 60, 70 … 280 divided by ten.
    expect(dry_run).to_contain_text("from 6 % to 28 %, half of them up to 17 %")
    expect(dry_run.locator(".run-values li")).to_have_count(3)
    expect(dry_run.locator(".run-values li").first).to_contain_text("% off")
    assert_accessible(page)
    _shot(page, "9-own-dry-run")
    page.get_by_role("button", name="Launch 23 assignments").click()
    words = "Benefit, Size: each member's min(30, max(5, loyalty_score / 10)), from 5 to 30"
    expect(page.get_by_text(words)).to_be_visible()
