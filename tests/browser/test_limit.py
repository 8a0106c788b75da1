"""A marketer limits an offer and says whom it is for, in a real browser; with `LAUREL_SHOTS` the pages are kept."""

import os

import pytest
from playwright.sync_api import Page, expect

from offers.models import ConfigOffer, Limit
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    TargetingFactory,
    give,
    launch_run,
    limit_of,
    work,
)

TWO_EUROS = {"validity": {"days": 30}, "benefit": {"type": "amount", "size": 200}}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def marketer_page(page, person, sign_in):
    sign_in(page, person("marketer"))
    return page


def shoot(page: Page, name: str) -> None:
    """Keep the page as it looks on a desk and in a hand, and see that it does not scroll sideways."""
    for size, viewport in (("desk", {"width": 1280, "height": 800}), ("phone", PHONE)):
        page.set_viewport_size(viewport)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, size)
        if folder := os.environ.get("LAUREL_SHOTS"):
            page.screenshot(path=f"{folder}/{name}-{size}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 800})


def test_d_05_an_offer_is_limited_by_hand(marketer_page, programme, assert_accessible, complaints):
    """D-05, B-14: a slip is shown at its field; then usage, what is left, and who set it."""
    page = marketer_page
    offer = ConfigOfferFactory(programme=programme, name="Coffee 2 € off", terms=TWO_EUROS)
    for member in MemberFactory.create_batch(4, programme=programme):
        give(member, offer)
    page.goto(f"/offers/{offer.pk}/")
    page.get_by_role("link", name="Set limits").click()
    page.get_by_label("At most, in all").fill("-3")
    page.get_by_label("Budget, in all").fill("ten")
    page.get_by_role("button", name="Save the limits").click()
    expect(page.get_by_role("alert")).to_contain_text("Not saved.")
    expect(page.locator(".errorlist")).to_have_count(2)
    assert_accessible(page)
    shoot(page, "limits-refused")
    page.get_by_label("At most, in all").fill("1000")
    page.get_by_label("At most, per day").fill("4")
    page.get_by_label("Budget, in all").fill("10.00")
    page.get_by_label("Budget, per day").fill("5.00")
    page.get_by_label("warn, and go on assigning").check()
    page.get_by_role("button", name="Save the limits").click()
    limits = page.locator("section", has=page.get_by_role("heading", name="Limits"))
    expect(limits).to_contain_text("4 of 1,000")
    expect(limits).to_contain_text("used up today")
    expect(limits).to_contain_text("8.00 € of 10.00 €")
    expect(limits).to_contain_text("3.00 € over")
    expect(limits).to_contain_text("The budget is overdrawn since")
    limits.get_by_text("Who changed what").click()
    expect(limits).to_contain_text("Budget in all: none → 10.00 €")
    assert_accessible(page)
    shoot(page, "offer")
    page.get_by_role("link", name="Change the limits").click()
    expect(page.get_by_label("Budget, in all")).to_have_value("10.00")
    assert_accessible(page)
    shoot(page, "limits")
    assert Limit.objects.get().daily_cap == 4
    # Chromium notes the refusal, which was meant.
    assert len(complaints) == 1
    complaints.clear()


def test_d_05_a_campaign_shows_its_limits_and_what_a_launch_would_lack(marketer_page, programme, assert_accessible):
    """D-05, S4-28: the campaign's page; the dry run says what is left out and why, and what limits leave."""
    page = marketer_page
    members = MemberFactory.create_batch(5, programme=programme, city="Lyon")
    offer = ConfigOfferFactory(programme=programme, name="Coffee 2 € off", terms=TWO_EUROS)
    other = ConfigOfferFactory(programme=programme, name="Tea", terms=TWO_EUROS)
    autumn = CampaignFactory(programme=programme, name="Autumn", type="seasonal")
    limit_of(autumn, cap=4, per_member=1, budget_minor=500)
    limit_of(offer, cap=3)
    give(members[0], other, campaign_id=autumn.pk)
    everyone = TargetingFactory(programme=programme, name="Everyone")

    page.goto("/offers/campaigns/")
    assert_accessible(page)
    shoot(page, "campaigns")
    page.get_by_role("link", name="Autumn").click()
    expect(page.get_by_text("1 of 4")).to_be_visible()
    assert_accessible(page)
    shoot(page, "campaign")

    page.goto(f"/offers/runs/new?template={offer.templates.get().pk}&targeting={everyone.pk}&campaign={autumn.pk}")
    dry_run = page.locator("#dry-run")
    expect(dry_run).to_contain_text("1 given as many by the campaign as it gives one member")
    expect(dry_run).to_contain_text("The run needs 4 assignments, and the offer's limit leaves 3: 1 too many.")
    expect(dry_run).to_contain_text("The run needs 4 assignments, and the campaign's limit leaves 3: 1 too many.")
    expect(dry_run).to_contain_text("The run may cost 8.00 €, and the campaign's budget has 3.00 € left")
    expect(dry_run.get_by_role("button", name="Launch 4 assignments")).to_be_disabled()
    assert_accessible(page)
    shoot(page, "dry-run")


def test_s4_28_a_run_that_failed_for_a_limit_leads_to_it(marketer_page, programme, assert_accessible):
    """S4-28, D-05: the sentence, what to do, and the limits one click away."""
    page = marketer_page
    MemberFactory.create_batch(3, programme=programme)
    offer = ConfigOfferFactory(programme=programme, name="Coffee 2 € off", terms=TWO_EUROS)
    limit_of(offer, cap=2, budget_minor=500)
    run = work(launch_run(offer, targeting=TargetingFactory(programme=programme, name="Everyone")))
    page.goto(f"/offers/runs/{run.pk}/")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The run needs 3 assignments, and the offer's limit leaves 2: 1 too many.")
    expect(alert).to_contain_text("The run may cost 6.00 €, and the offer's budget has 5.00 € left")
    assert_accessible(page)
    shoot(page, "run-failed")
    page.get_by_role("link", name="Limits of the offer").click()
    expect(page.get_by_label("At most, in all")).to_have_value("2")


def test_s0_02_whom_an_offer_is_for_is_chosen_and_built(marketer_page, programme, assert_accessible):
    """S0-02: a saved audience, then conditions of its own with the builder of audiences."""
    page = marketer_page
    MemberFactory.create_batch(2, programme=programme, city="Lyon")
    MemberFactory(programme=programme, city="Nice")
    lyon = TargetingFactory(programme=programme, name="In Lyon")
    offer = ConfigOfferFactory(programme=programme, name="Coffee")
    page.goto(f"/offers/{offer.pk}/")
    page.get_by_role("link", name="Change whom").click()
    page.get_by_label("Members of a saved audience").check()
    page.get_by_label("Audience", exact=True).select_option(label="In Lyon (v1)")
    assert_accessible(page)
    shoot(page, "eligibility-audience")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("main")).to_contain_text("Only members of In Lyon v1")
    assert ConfigOffer.objects.get().eligibility == lyon.current_version

    page.get_by_role("link", name="Change whom").click()
    page.get_by_label("Members who meet these conditions").check()
    builder = page.locator("#builder")
    builder.get_by_role("button", name="+ Condition").click()
    builder.get_by_label("What").fill("city")
    builder.get_by_role("listbox").get_by_role("option", name="City").click()
    builder.get_by_label("How it compares").select_option("equals")
    builder.get_by_label("Value").fill("Lyon")
    builder.get_by_label("Value").blur()
    expect(page.locator("#preview")).to_contain_text("City is Lyon")
    expect(page.locator("#preview")).to_contain_text("2 members")
    assert_accessible(page)
    shoot(page, "eligibility-conditions")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("main")).to_contain_text("Only members who meet its own conditions: City is Lyon")
    shoot(page, "offer-eligible")
