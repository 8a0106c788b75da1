"""“Why doesn’t she have …?”, as of a past moment, and the timeline’s filters, in a browser (B-02, S0-10, S0-11).

By keyboard and by mouse, looked at on a desk and on a phone.
"""

import re
import uuid
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import Assignment, DoorEntry, Source
from offers.services import eligibility_settings, revocation
from support.models import GrantRequest
from tests.factories import ConfigOfferFactory, MemberFactory, PurchaseFactory, UserFactory, give, import_codes


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, external_id="M-001029", first_name="Ann", last_name="Lee", city="Lyon")


@pytest.fixture
def coffee(programme):
    offer = ConfigOfferFactory(
        programme=programme,
        name="Coffee 20 % off",
        offer_reference="COFFEE",
        require_vouchers=True,
        terms={"validity": {"days": 5}, "benefit": {"type": "percent", "size": 20}},
    )
    import_codes(offer, ["ABCD-1234", "EFGH-5678", "IJKL-9012"])
    return offer


@pytest.fixture
def desk(page, person, sign_in) -> Page:
    sign_in(page, person("support agent"))
    return page


def test_b_02_by_keyboard_an_offer_is_found_and_explained_and_the_next_step_taken(desk, programme, ann, coffee, look):
    """`w`, a piece of the name, Enter on it: what to say, what to do; then the grant's panel over the same page."""
    desk.goto(f"/support/members/{ann.pk}")
    desk.keyboard.press("?")
    expect(desk.locator("#keyboard-help")).to_contain_text("Why doesn't she have …?")
    desk.keyboard.press("Escape")
    desk.keyboard.press("w")
    panel = desk.get_by_role("dialog", name="Why doesn't Ann Lee have …?")
    expect(panel.get_by_role("searchbox")).to_be_focused()
    look(desk, "explain-choose")
    desk.keyboard.type("coff")
    expect(panel.get_by_text("Look up “coff” as a code or an id")).to_be_visible()
    panel.get_by_role("link", name="Coffee 20 % off").focus()
    desk.keyboard.press("Enter")
    expect(panel.locator(".read-out")).to_contain_text("You have not been given “Coffee 20 % off”.")
    expect(panel.locator(".why")).to_contain_text("She never held it.")
    look(desk, "explain-never-given")
    panel.get_by_role("link", name="Grant it to her").focus()
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("dialog", name=re.compile("Grant an offer to Ann Lee"))).to_be_visible()
    assert AuditEvent.objects.filter(action="member.explained").count() == 1


def test_b_05_what_waits_for_a_second_person_is_read_out_and_opened(desk, programme, ann, coffee, look):
    """B-02: the sentence, the step and the way to the grant that waits."""
    asker = UserFactory(first_name="Ola", last_name="Agent", programmes=[programme])
    asked = GrantRequest.objects.create(
        programme=programme,
        member=ann,
        template=coffee.templates.get(),
        exposure_minor=500,
        reference=uuid.uuid4(),
        reason="goodwill",
        asked_by=asker,
        asked_at=clock.now(),
        expires_at=clock.now() + timedelta(days=7),
    )
    desk.goto(f"/support/members/{ann.pk}/explain?offer=COFFEE")
    expect(desk.locator(".read-out")).to_contain_text("“Coffee 20 % off” was asked for on your behalf today")
    expect(desk.locator(".why")).to_contain_text("asked by Ola Agent")
    look(desk, "explain-waiting")
    desk.get_by_role("link", name="Open the grant that waits").click()
    expect(desk).to_have_url(re.compile(f"/support/grants/waiting/{asked.pk}$"))
    expect(desk.get_by_text("Costs at most")).to_be_visible()


def test_b_02_a_code_read_out_is_looked_up_with_enter(desk, programme, ann, coffee, look):
    """Whatever she reads out: her own code, another member's, and one that nobody knows."""
    give(ann, coffee)
    give(MemberFactory(programme=programme, first_name="Bob", last_name="Ray"), coffee)
    desk.goto(f"/support/members/{ann.pk}/explain")
    for code, said in (
        ("abcd-1234", "You have “Coffee 20 % off”, and you can use it until"),
        ("EFGH-5678", "This code does not belong to your membership"),
        ("NOBODY-1", "We do not know this code."),
    ):
        desk.get_by_role("searchbox", name="Offer, voucher code or Personalized Offer ID").fill(code)
        desk.keyboard.press("Enter")
        expect(desk.locator(".read-out")).to_contain_text(said)
        if code == "EFGH-5678":
            expect(desk.get_by_role("link", name="Bob Ray")).to_be_visible()
            look(desk, "explain-code-of-another")
        desk.get_by_role("link", name="Change").click()


def test_b_02_why_she_may_not_have_it_is_told_clause_by_clause(desk, ann, coffee, look):
    criteria = {
        "op": "and",
        "items": [
            {"field": "member.city", "is": "equals", "value": "Paris"},
            {"field": "member.country", "is": "equals", "value": "US"},
        ],
    }
    eligibility_settings.put_conditions(offer=coffee, criteria=criteria, actor=None)
    desk.goto(f"/support/members/{ann.pk}/explain?offer=COFFEE")
    expect(desk.locator(".read-out")).to_contain_text("is for members who meet certain conditions")
    desk.get_by_text("Clause by clause").click()
    expect(desk.locator(".clauses .failed").last).to_contain_text("City is Paris (Lyon)")
    look(desk, "explain-clauses")


def test_b_02_an_expired_offer_is_extended_from_its_explanation(desk, ann, coffee, look):
    """It expired yesterday: explain beside it, then the verb's own dialog, open."""
    now = clock.now()
    held = give(ann, coffee, now=now - timedelta(days=9))
    assert Assignment.objects.get(pk=held.pk).status(now) == "expired"
    desk.goto(f"/support/members/{ann.pk}")
    desk.get_by_role("link", name=re.compile("explain ?: Coffee 20 % off")).click()
    panel = desk.get_by_role("dialog", name="Why doesn't Ann Lee have …?")
    expect(panel.locator(".read-out")).to_contain_text("It is over now.")
    look(desk, "explain-expired")
    panel.get_by_role("link", name="Extend it").click()
    expect(desk.get_by_role("dialog", name=re.compile("Extend Coffee"))).to_be_visible()


def test_issue_5_her_page_as_of_then_by_its_field_and_from_an_entry(desk, ann, coffee, look):
    """A banner, a way back, no verb; the timeline's filter stays in the past."""
    now = clock.now()
    held = give(ann, coffee, now=now - timedelta(days=3))
    PurchaseFactory(member=ann, purchased_at=now - timedelta(days=2), total_minor=1234)
    revocation.revoke(
        programme=ann.programme, assignment_id=held.pk, reason="wrong member", now=now - timedelta(days=1)
    )
    desk.goto(f"/support/members/{ann.pk}")
    expect(desk.locator("#now")).to_contain_text("She holds no offers now")
    desk.get_by_label("As of", exact=True).fill((now - timedelta(days=1, hours=5)).strftime("%Y-%m-%dT%H:%M"))
    desk.get_by_role("button", name="Look back").click()
    expect(desk.get_by_text("This is what she held on")).to_be_visible()
    expect(desk.locator("#now")).to_contain_text("usable")
    expect(desk.get_by_role("link", name="Grant an offer")).to_have_count(0)
    expect(desk.locator("#timeline")).not_to_contain_text("wrong member")
    look(desk, "as-of")
    desk.get_by_label("Purchases", exact=True).uncheck()
    expect(desk.locator(".timeline .entry")).to_have_count(1)
    assert "as_of=" in desk.url
    desk.keyboard.press("n")
    expect(desk.locator("#timeline")).to_contain_text("wrong member")
    entry = desk.locator(".entry.issued")
    entry.hover()
    entry.get_by_role("link", name=re.compile("as of this moment")).click()
    expect(desk.locator("#now")).to_contain_text("Coffee 20 % off")


def test_issue_5_the_timelines_filters_stand_in_the_address_and_come_back_with_it(desk, programme, ann, coffee, look):
    tea = ConfigOfferFactory(programme=programme, name="Tea", terms={})
    give(ann, coffee)
    give(ann, tea)
    DoorEntry.objects.create(
        programme=programme,
        door=Source.API,
        instance="crm",
        reference="1",
        member=ann,
        answer={"outcome": "out_of_codes", "template": coffee.templates.get().pk},
    )
    PurchaseFactory(member=ann, purchased_at=clock.now(), total_minor=1234)
    desk.goto(f"/support/members/{ann.pk}")
    expect(desk.locator(".timeline .entry")).to_have_count(4)
    look(desk, "timeline")
    filters = desk.get_by_role("form", name="Show in the timeline")
    ticked = filters.get_by_role("checkbox", checked=True)
    while left := ticked.count():
        ticked.first.focus()
        desk.keyboard.press("Space")
        expect(ticked).to_have_count(left - 1)
        expect(filters.locator("input:focus")).to_have_count(1)
    expect(desk.get_by_text("No kind of entry is ticked")).to_be_visible()
    expect(desk.locator(".timeline .entry")).to_have_count(0)
    look(desk, "timeline-none")
    desk.reload()
    expect(ticked).to_have_count(0)
    desk.get_by_role("link", name="Tick all again").click()
    expect(desk.locator(".timeline .entry")).to_have_count(4)
    assert "kind" not in desk.url
    desk.get_by_label("About the offer").select_option("Coffee 20 % off")
    expect(desk.locator(".timeline .entry")).to_have_count(2)
    desk.get_by_label("Given", exact=True).uncheck()
    expect(desk.locator(".timeline .entry")).to_have_count(1)
    assert f"offer={coffee.pk}" in desk.url
    desk.reload()
    expect(desk.locator(".timeline .entry")).to_have_count(1)
    desk.locator(".entry.refusal").get_by_role("link", name="explain").click()
    panel = desk.get_by_role("dialog", name="Why doesn't Ann Lee have …?")
    expect(panel.locator(".why")).to_contain_text("Refused")
