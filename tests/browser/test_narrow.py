"""The desk's pages where there is little room: nothing is cut, nothing squeezed (SCREENS: usable at 768; issue 5)."""

import uuid
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from loyalty import clock
from support.models import GrantRequest
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, UserFactory, give, import_codes

# How wide the placeholder is, and how much room its field has.
MEASURE = """field => {
  const style = getComputedStyle(field), canvas = document.createElement("canvas").getContext("2d")
  canvas.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`
  const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
  return [canvas.measureText(field.placeholder).width, room]
}"""


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, external_id="M-001029", first_name="Ann", last_name="Lee")


@pytest.fixture
def coffee(programme):
    offer = ConfigOfferFactory(programme=programme, name="Coffee 20 % off for all who waited", require_vouchers=True)
    import_codes(offer, ["ABCD-1234"])
    return offer


def ask(ann, offer, asker, **decided):
    return GrantRequest.objects.create(
        programme=ann.programme,
        member=ann,
        template=offer.templates.get(),
        exposure_minor=0,
        reference=uuid.uuid4(),
        reason="goodwill",
        ticket="#48213",
        asked_by=asker,
        asked_at=clock.now(),
        expires_at=clock.now() + timedelta(days=7),
        **decided,
    )


def test_screens_the_search_says_all_that_it_takes_at_768(page, person, sign_in, assert_accessible):
    """SCREENS: one search box, usable at 768; two programmes leave it less room."""
    user = person("support agent")
    sign_in(page, user)
    for _turn in range(2):
        for width in (1280, 1024, 768):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto("/")
            text, room = page.get_by_role("searchbox", name="Search").evaluate(MEASURE)
            assert text <= room, f"the placeholder is cut at {width}: {text} of {room}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            name, help_ = (
                page.locator(one).bounding_box() for one in (".shell-tool .name", "[data-dialog=keyboard-help]")
            )
            assert name["x"] + name["width"] <= help_["x"], f"the programme's name lies over its neighbour at {width}"
        user.programmes.add(ProgrammeFactory(name="Another Market of Laurel"))
    assert_accessible(page)


def test_b_05_a_grant_that_waits_has_room_on_a_phone_and_an_unknown_cost_is_called_so(
    page, person, sign_in, programme, ann, coffee, look
):
    """D-08: an offer without a ceiling in money costs nobody knows what; never 0.00."""
    ask(ann, coffee, UserFactory(first_name="Ola", last_name="Agent", programmes=[programme]))
    sign_in(page, person("support lead"))
    page.goto("/support/grants/waiting")
    look(page, "waiting-grants")
    row = page.locator(".receipt > summary")
    expect(row).to_contain_text("unknown")
    expect(row).not_to_contain_text("0.00")
    page.set_viewport_size({"width": 390, "height": 844})
    room, whole = (row.locator(name).bounding_box()["width"] for name in (".holding", "xpath=."))
    assert room > 0.75 * whole, f"{room} of {whole}"


def test_b_05_what_was_decided_is_read_on_home(page, person, sign_in, ann, coffee, look):
    """The notice goes with a click, and with it the number in the navigation."""
    user = person("support agent")
    lead = UserFactory(first_name="Lea", last_name="Lead")
    decided = {"state": "declined", "decided_by": lead, "decided_at": clock.now(), "answer": "Ask her for the receipt."}
    ask(ann, coffee, user, **decided)
    sign_in(page, user)
    page.goto("/")
    expect(page.get_by_role("link", name="My grants 1 decided and not read yet")).to_have_count(1)
    look(page, "decisions")
    notice = page.get_by_role("region", name="Decided about your grants")
    expect(notice).to_contain_text("Ask her for the receipt.")
    notice.get_by_role("button", name="I have read it").click()
    expect(notice).to_have_count(0)
    expect(page.locator(".nav-item .count")).to_have_count(0)


def test_screens_an_assignment_has_one_main_act_and_the_rest_in_a_menu(page, person, sign_in, ann, coffee, look):
    """SCREENS: the one main action on the right, the rest in a menu, as on her page."""
    held = give(ann, coffee)
    plain = give(ann, ConfigOfferFactory(programme=ann.programme, name="Tea", terms={"validity": {"days": 5}}))
    sign_in(page, person("support agent"))
    page.goto(f"/support/assignments/{held.pk}")
    acts = page.locator(".page-head .actions")
    expect(acts.locator(".btn-primary")).to_have_text(["Show coden"])
    expect(acts.get_by_role("button", name="Revoke…")).to_be_hidden()
    acts.locator("summary").click()
    names = ["Mark as used…", "Extend…", "Reissue…", "Close…", "Revoke…"]
    assert [text.strip() for text in acts.locator(".menu-item").all_inner_texts()] == names
    look(page, "assignment-menu")
    page.keyboard.press("Escape")
    page.goto(f"/support/assignments/{plain.pk}")
    expect(acts.locator(".btn-primary")).to_have_text(["Mark as used…n"])
    page.keyboard.press("n")
    expect(page.get_by_role("dialog", name="Mark Tea as used")).to_be_visible()
