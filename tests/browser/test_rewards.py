"""The member's pages on a phone: 390 px wide, with axe, and nothing that the content security policy blocks."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from loyalty.models import Member
from loyalty.services import member_token
from offers.models import Assignment
from tests.factories import ConfigOfferFactory, MemberFactory, give, import_codes

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
PERCENT = {"benefit": {"type": "percent", "size": 20}, "validity": {"days": 3}}


@pytest.fixture
def member(programme) -> Member:
    return MemberFactory(programme=programme, first_name="Amélie")


@pytest.fixture
def phone(open_context, live_server, member):
    """Return a maker of a signed-in phone: `phone(color_scheme="dark")`."""

    def make(**options) -> Page:
        context = open_context(**PHONE, **options)
        page = context.new_page()
        token = member_token.mint(member=member, now=timezone.now())
        # The app's own web view posts the token; the cookie is all that is left of it.
        context.request.post("/rewards/session", form={"token": token})
        return page

    return make


def coded(programme, **options):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, **options)
    import_codes(offer, ["ABCD-1234"])
    return offer


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_she_opens_activates_and_copies_a_code(scheme, phone, member, programme, assert_accessible):
    """C-05, S1-16, S1-19, D-10, at 390 px, light and dark."""
    give(member, coded(programme, name="Coffee", terms=PERCENT | {"acceptance": {"required": True}}))
    ConfigOfferFactory(programme=programme, name="Bread", audience="everyone", terms={"benefit": PERCENT["benefit"]})
    page = phone(color_scheme=scheme, permissions=["clipboard-read", "clipboard-write"])

    page.goto("/rewards/offers")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello Amélie")
    expect(page.get_by_role("listitem")).to_have_count(2)
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "nothing sticks out sideways"

    page.get_by_role("link", name="Coffee").click()
    expect(page.get_by_text("3 days left")).to_be_visible()
    expect(page.get_by_text("Activate the offer to see your code")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("Active. It counts at your next purchase.")).to_be_visible()
    expect(page.locator("#announcement")).to_have_text("Coffee is active.")
    expect(page.get_by_role("img", name="QR code of ABCD-1234")).to_be_visible()
    assert page.get_by_role("img", name="QR code").evaluate("image => image.naturalWidth") > 100, "the picture is drawn"
    assert_accessible(page)
    page.get_by_role("button", name="Copy the code").click()
    expect(page.locator("#announcement")).to_have_text("Code copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "ABCD-1234"

    page.get_by_role("link", name="All offers").click()
    expect(page.get_by_role("listitem").filter(has_text="Coffee")).to_contain_text("Active")


def test_activating_in_the_list_changes_its_card_alone(phone, member, programme):
    give(
        member, ConfigOfferFactory(programme=programme, name="Tea", terms=PERCENT | {"acceptance": {"required": True}})
    )
    page = phone()
    page.goto("/rewards/offers")
    page.evaluate("window.isStillThere = true")
    page.get_by_role("button", name="Activate Tea").click()
    expect(page.get_by_role("listitem").get_by_text("Active", exact=True)).to_be_visible()
    expect(page.locator("#announcement")).to_have_text("Tea is active.")
    assert page.evaluate("window.isStillThere") is True
    assert Assignment.objects.get().accepted_at is not None


def test_without_offers_and_without_a_session_the_page_says_what_to_do(
    phone, open_context, assert_accessible, complaints
):
    page = phone()
    page.goto("/rewards/offers")
    expect(page.get_by_role("heading", name="No offers right now")).to_be_visible()
    assert_accessible(page)

    stranger = open_context(**PHONE).new_page()
    stranger.goto("/rewards/offers")
    expect(stranger.get_by_role("heading", name="Your offers wait for you")).to_be_visible()
    assert_accessible(stranger)
    # The browser notes every 401; this one is the page's own.
    complaints[:] = [text for text in complaints if "401" not in text]


def test_every_target_is_big_enough_for_a_thumb(phone, member, programme):
    """WCAG 2.5.5: 44 px."""
    give(member, coded(programme, terms=PERCENT))
    page = phone()
    page.goto("/rewards/offers")
    page.get_by_role("listitem").get_by_role("link").click()
    page.wait_for_load_state()
    small = page.evaluate(
        """() => [...document.querySelectorAll("a, button, summary")].filter((one) => one.offsetParent
             && !one.classList.contains("skip") && (one.offsetHeight < 44 || one.offsetWidth < 44))
             .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert small == []


def test_she_declines_an_offer_after_a_second_look(phone, member, programme, assert_accessible, shoot):
    """D-01, D-10: it leaves her list, a code that she never saw goes back; one for everyone cannot be declined."""
    held = give(member, coded(programme, name="Coffee", terms=PERCENT | {"acceptance": {"required": True}}))
    everyones = ConfigOfferFactory(programme=programme, name="Bread", audience="everyone", terms={})
    page = phone()
    page.goto(f"/rewards/offers/{held.pk}")
    decline = page.get_by_role("button", name="Remove it from my list")
    expect(decline).to_be_hidden()
    page.get_by_text("Not interested?").click()
    expect(page.get_by_text("It leaves your list at once and cannot be used any more.")).to_be_visible()
    assert_accessible(page)
    shoot(page, "member-declines", whole=True)
    decline.click()
    expect(page.get_by_text("This offer is closed.")).to_be_visible()
    expect(page.locator("#announcement")).to_have_text("Coffee left your list.")
    held.refresh_from_db()
    assert (held.closed_at is not None, held.voucher_code_id) == (True, None)
    assert held.config_offer.voucher_bank.segments.latest("id").size == 1, "the code went back"
    page.goto("/rewards/offers")
    expect(page.get_by_role("link", name="Coffee")).to_have_count(0)
    page.goto(f"/rewards/offers/{everyones.public_id}")
    expect(page.get_by_role("heading", name="Bread")).to_be_visible()
    expect(page.get_by_text("Not interested?")).to_have_count(0)
