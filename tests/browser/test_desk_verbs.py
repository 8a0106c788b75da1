"""The verbs' dialogs at the desk, by mouse and by keyboard alone, and what the member sees afterwards.

B-02, B-05, B-06, B-18, S0-03, D-10; SCREENS: dialogs trap the focus and give it back, errors stand where they belong.
"""

import datetime
import re

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from loyalty import clock
from loyalty.models import AuditEvent, User
from loyalty.services import member_token
from offers.models import Assignment, DoorEntry, Source
from offers.services import assignment_verbs, closing
from offers.services.verb import By
from tests.factories import ConfigOfferFactory, MemberFactory, give, import_codes

# By verb: what its button on the page is called, what is said when it is done, what the event is called.
VERBS = {
    "extend": ("Extend…", "Extended. It is usable to the end of", "extended"),
    "reissue": ("Reissue…", "Reissued. This is the new one; the old one and its code are void.", "reissued"),
    "close": ("Close…", "Closed. The member can no longer use it.", "closed"),
    "revoke": ("Revoke…", "Revoked. The member no longer has it.", "revoked"),
}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture
def ann(programme):
    return MemberFactory(programme=programme, external_id="M-001029", first_name="Ann", last_name="Lee")


@pytest.fixture
def offer(programme):
    offer = ConfigOfferFactory(
        programme=programme,
        name="Coffee 5 €",
        require_vouchers=True,
        terms={"validity": {"days": 5}, "benefit": {"type": "amount", "size": 500}},
    )
    import_codes(offer, ["ABCD-1234", "EFGH-5678"])
    return offer


@pytest.fixture
def held(ann, offer) -> Assignment:
    return give(ann, offer)


@pytest.fixture
def desk(page, person, sign_in) -> Page:
    sign_in(page, person("support agent"))
    return page


@pytest.fixture
def phone(open_context, ann):
    """Ann's own phone, signed in."""
    context = open_context(**PHONE)
    context.request.post("/rewards/session", form={"token": member_token.mint(member=ann, now=timezone.now())})
    return context.new_page()


def opened(desk: Page, held: Assignment, verb: str) -> Locator:
    desk.goto(f"/support/assignments/{held.pk}")
    choose(desk, VERBS[verb][0])
    dialog = desk.get_by_role("dialog", name=re.compile(f"{verb} Coffee 5 €", re.IGNORECASE))
    expect(dialog).to_be_visible()
    return dialog


def menu(desk: Page) -> Locator:
    return desk.locator(".page-head details.holding-menu > summary")


def choose(desk: Page, name: str) -> None:
    menu(desk).click()
    desk.get_by_role("button", name=name).click()


def fill(dialog: Locator, verb: str, held: Assignment) -> None:
    if verb == "extend":
        day = (held.ends_at + datetime.timedelta(days=3)).date()
        dialog.get_by_label("Last day").fill(day.isoformat())
    dialog.get_by_label("Reason").fill("card was lost")


@pytest.mark.parametrize("verb", VERBS)
def test_by_mouse_each_verb_asks_for_a_reason_in_place_and_does_it_once(
    verb, desk, held, complaints, assert_accessible, shoot
):
    """B-02: what is missing stands at its field in the open dialog; then it is done, once, and audited."""
    dialog = opened(desk, held, verb)
    shoot(desk, verb)
    assert_accessible(desk)
    act = dialog.locator("button.act")
    act.click()
    expect(dialog.locator(".errorlist").last).to_have_text("This field is required.")
    expect(dialog).to_be_visible()
    # That she looked at it is noted; nothing was done.
    noted = AuditEvent.objects.filter(action__startswith="assignment.").values_list("action", flat=True)
    assert set(noted) == {"assignment.opened"}
    assert_accessible(desk)
    shoot(desk, f"{verb}-without-reason")
    fill(dialog, verb, held)
    act.dblclick()
    expect(desk.locator(".toast-line")).to_contain_text(VERBS[verb][1])
    expect(desk.get_by_role("dialog")).to_have_count(0)
    # Reissuing leads to the new one, whose history links the old one.
    told = "instead of an earlier one" if verb == "reissue" else "card was lost"
    expect(desk.locator(".timeline")).to_contain_text(told)
    audited = AuditEvent.objects.exclude(action="assignment.opened").get(action__startswith="assignment.")
    assert audited.action == f"assignment.{VERBS[verb][2]}"
    shoot(desk, f"{verb}-done")
    complaints[:] = [text for text in complaints if "422" not in text]


@pytest.mark.parametrize("verb", VERBS)
def test_by_keyboard_each_dialog_begins_in_its_first_field_and_gives_the_focus_back(verb, desk, held):
    """SCREENS: dialogs trap and return it; Enter sends, Escape leaves all as it was."""
    desk.goto(f"/support/assignments/{held.pk}")
    opener = menu(desk)
    opener.focus()
    desk.keyboard.press("Enter")
    desk.get_by_role("button", name=VERBS[verb][0]).press("Enter")
    dialog = desk.get_by_role("dialog", name=re.compile(f"{verb} Coffee 5 €", re.IGNORECASE))
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Reason" if verb in {"revoke", "close"} else "Last day")).to_be_focused()
    for _step in range(12):
        desk.keyboard.press("Tab")
        inside = desk.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
        assert inside, "the focus stays in the dialog"
    desk.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    done = AuditEvent.objects.exclude(action="assignment.opened").filter(action__startswith="assignment.")
    assert not done.exists()

    desk.keyboard.press("Enter")
    desk.get_by_role("button", name=VERBS[verb][0]).press("Enter")
    fill(dialog, verb, held)
    dialog.get_by_label("Reason").press("Enter")
    expect(desk.locator(".toast-line")).to_contain_text(VERBS[verb][1])
    assert AuditEvent.objects.filter(action=f"assignment.{VERBS[verb][2]}").count() == 1


def test_a_refusal_stands_in_the_open_dialog_and_keeps_what_was_typed(
    desk, held, offer, complaints, assert_accessible, shoot
):
    """B-02, D-10: somebody else closed it, or the bank is empty: the dialog says so, and nothing was changed."""
    give(MemberFactory(programme=offer.programme), offer)
    dialog = opened(desk, held, "reissue")
    fill(dialog, "reissue", held)
    dialog.locator("button.act").click()
    refusal = dialog.get_by_role("alert")
    expect(refusal).to_contain_text("The offer's bank has no voucher code left.")
    expect(refusal).to_contain_text("Nothing was changed.")
    expect(dialog.get_by_label("Reason")).to_have_value("card was lost")
    assert_accessible(desk)
    shoot(desk, "reissue-refused")
    desk.keyboard.press("Escape")
    expect(menu(desk)).to_be_focused()

    choose(desk, "Revoke…")
    dialog = desk.get_by_role("dialog", name="Revoke Coffee 5 €")
    closing.close(programme=offer.programme, assignment_id=held.pk, reason="x", by=By(Source.SUPPORT), now=clock.now())
    fill(dialog, "revoke", held)
    dialog.locator("button.act").click()
    expect(dialog.get_by_role("alert")).to_contain_text("It is closed already.")
    held.refresh_from_db()
    assert held.revoked_at is None
    complaints[:] = [text for text in complaints if "409" not in text]


def test_extending_beyond_the_code_is_refused_with_the_last_day_in_the_dialog(desk, ann, programme, complaints, shoot):
    """B-02: the bound stands in the dialog before, and in the refusal after."""
    offer = ConfigOfferFactory(
        programme=programme, name="Coffee 5 €", require_vouchers=True, terms={"validity": {"days": 5}}
    )
    import_codes(offer, ["ABCD-1234"], expires_at=clock.now() + datetime.timedelta(days=30))
    held = give(ann, offer)
    dialog = opened(desk, held, "extend")
    expect(dialog).to_contain_text("Its code expires, so at most until")
    dialog.get_by_label("Last day").fill((clock.now() + datetime.timedelta(days=60)).date().isoformat())
    dialog.get_by_label("Reason").fill("ill")
    dialog.locator("button.act").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Its code expires earlier.")
    shoot(desk, "extend-refused")
    complaints[:] = [text for text in complaints if "409" not in text]


def test_an_undo_that_comes_too_late_says_what_to_do_instead(desk, ann, held):
    """B-05: after two minutes it is a revocation, with a reason."""
    DoorEntry.objects.create(
        programme=ann.programme,
        door=Source.SUPPORT,
        instance="desk",
        reference="1",
        member=ann,
        assignment=held,
        actor=User.objects.get(),
        answer={"outcome": "assigned"},
        created_at=clock.now() - datetime.timedelta(minutes=5),
    )
    desk.goto(f"/support/members/{ann.pk}")
    # A toast that somebody held open under the pointer.
    desk.evaluate(
        """(undo) => document.dispatchEvent(new CustomEvent("laurel:toast", {detail: {text: "Granted", undo}}))""",
        f"/support/members/{ann.pk}/undo/{held.pk}",
    )
    desk.keyboard.press("u")
    expect(desk.locator(".toast-line")).to_contain_text("It is too late to undo this.")
    held.refresh_from_db()
    assert held.revoked_at is None


def test_what_the_member_sees_after_each_verb(desk, phone, ann, offer, held, shoot):
    """B-06: the address of a reissued offer leads to the one that replaced it; a revoked one is not hers any more."""
    phone.goto(f"/rewards/offers/{held.pk}")
    expect(phone.get_by_text("ABCD-1234")).to_be_visible()

    dialog = opened(desk, held, "reissue")
    fill(dialog, "reissue", held)
    dialog.locator("button.act").click()
    expect(desk.locator(".toast-line")).to_contain_text("Reissued.")
    new = Assignment.objects.get(replaces=held)

    phone.reload()
    expect(phone).to_have_url(re.compile(f"/rewards/offers/{new.pk}$"))
    expect(phone.get_by_text("EFGH-5678")).to_be_visible()
    expect(phone.get_by_text("ABCD-1234")).to_have_count(0)
    shoot(phone, "member-after-reissue")

    dialog = opened(desk, new, "close")
    fill(dialog, "close", new)
    dialog.locator("button.act").click()
    expect(desk.locator(".toast-line")).to_contain_text("Closed.")
    phone.reload()
    expect(phone.get_by_text("This offer is closed.")).to_be_visible()
    expect(phone.get_by_text("EFGH-5678")).to_have_count(0)


def test_b_18_the_history_of_one_that_was_granted_seen_reissued_and_revoked(desk, ann, held, shoot, assert_accessible):
    """B-18: one timeline each, linked both ways, with who, what changed, and what was told to others."""
    now = clock.now()
    assignment_verbs.mark_seen(member_id=ann.pk, assignment_id=held.pk, now=now)
    assignment_verbs.expose(member_id=ann.pk, assignment_id=held.pk, now=now)
    dialog = opened(desk, held, "reissue")
    fill(dialog, "reissue", held)
    dialog.locator("button.act").click()
    expect(desk.locator(".toast-line")).to_contain_text("Reissued.")
    new = Assignment.objects.get(replaces=held)
    dialog = opened(desk, new, "revoke")
    dialog.get_by_label("Reason").fill("given by mistake")
    dialog.get_by_label("Reason").press("Enter")
    expect(desk.locator(".toast-line")).to_contain_text("Revoked.")

    entries = desk.locator(".timeline > .entry")
    expect(entries.filter(has_text="given by mistake")).to_have_count(1)
    shoot(desk, "timeline-of-the-new-one", whole=True)
    desk.get_by_role("link", name="instead of an earlier one").click()
    for words in ("issued", "seen by the member", "code shown", "reissued"):
        expect(entries.locator(".main").get_by_text(words, exact=True)).to_have_count(1)
    expect(entries.filter(has_text="card was lost")).to_contain_text("by support-agent")
    assert_accessible(desk)
    shoot(desk, "timeline-of-the-old-one", whole=True)
    expect(desk.get_by_role("link", name="the new one")).to_be_visible()
    desk.get_by_role("link", name="Open the one in its place").click()
    expect(desk).to_have_url(re.compile(f"/support/assignments/{new.pk}$"))
    assert "ABCD-1234" not in desk.content(), "no history tells a code"
