"""Finding a member, mending what she holds and how she is reached, in a real browser (issue 5)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from loyalty import clock
from offers.models import Assignment, Redemption, Source
from tests.factories import ConfigOfferFactory, MemberFactory, PurchaseFactory, give


@pytest.fixture
def ann(programme):
    return MemberFactory(
        programme=programme, external_id="M-1", first_name="José", last_name="Muñoz", email="jose@home.example",
        email_key="jose@home.example", city="Lyon", country="FR", language="fr",
    )  # fmt: skip


@pytest.fixture
def held(programme, ann):
    held = give(ann, ConfigOfferFactory(programme=programme, name="Coffee 20 % off"))
    give(ann, ConfigOfferFactory(programme=programme, name="Her own price"), source=Source.ATTRIBUTE)
    long_ago = clock.now() - timedelta(days=5)
    Assignment.objects.filter(pk=held.pk).update(issued_at=long_ago, starts_at=long_ago)
    return held


def test_from_anywhere_by_keyboard_without_accents_and_back_to_who_was_looked_at(page, person, sign_in, ann, look):
    """`/` and Ctrl-K, arrows, Enter; "jose munoz" finds José Muñoz; the empty box offers recent members."""
    sign_in(page, person("support agent"))
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("jose mun")
    hit = page.locator("#search-results a.search-hit").first
    expect(hit).to_contain_text("José Muñoz")
    page.keyboard.press("ArrowDown")
    expect(hit).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("José Muñoz")
    page.goto(reverse("support:members"))
    page.keyboard.press("Control+k")
    expect(page.locator("#search-results")).to_contain_text("Recent members")
    expect(page.locator("#search-results a.search-hit").first).to_contain_text("José Muñoz")
    look(page, "find-recent")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("José Muñoz")


def test_hits_are_walked_by_arrows_while_tab_goes_on_and_a_late_answer_takes_no_focus(page, person, sign_in, ann):
    """Whoever passes the empty box by Tab stops at no recent member, and a hit under the focus outlives new hits."""
    sign_in(page, person("support agent"))
    page.goto(reverse("support:member", args=[ann.pk]))
    page.keyboard.press("/")
    hit = page.locator("#search-results a.search-hit").first
    expect(hit).to_contain_text("José Muñoz")
    page.keyboard.press("ArrowDown")
    expect(hit).to_be_focused()
    with page.expect_response("**/search?*"):
        page.evaluate("document.querySelector('#search-results a').dataset.old = 1")
        page.evaluate("htmx.trigger(document.getElementById('search'), 'laurel:recent')")
    expect(page.locator("#search-results a[data-old]")).to_have_count(0)
    expect(hit).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_focused()
    expect(page.locator("#search-results")).to_be_hidden()


def test_marked_as_used_with_its_receipt_in_two_clicks_and_undone(page, person, sign_in, ann, held, look):
    """The menu beside the offer, the receipt, done; Undo gives the use back."""
    PurchaseFactory(member=ann, external_id="R-77", purchased_at=clock.now() - timedelta(hours=2), total_minor=8420)
    sign_in(page, person("support agent"))
    page.goto(reverse("support:member", args=[ann.pk]))
    menu = page.get_by_label("Acts on Coffee 20 % off")
    menu.focus()
    page.keyboard.press("Enter")
    look(page, "fix-menu")
    if not page.locator(".holding-menu[open]").count():
        menu.click()
    page.get_by_role("link", name="Mark as used…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Mark Coffee 20 % off as used")
    look(page, "fix-redeem")
    dialog.get_by_label("Receipt", exact=True).select_option(index=1)
    dialog.get_by_label("What it was worth").fill("2.40")
    dialog.get_by_role("button", name="Mark Coffee 20 % off as used").click()
    expect(page.locator("#toasts")).to_contain_text("Marked as used. It is used up now.")
    expect(page.locator("#now")).not_to_contain_text("Coffee")
    assert Redemption.objects.get().purchase.external_id == "R-77"
    look(page, "fix-redeemed")
    page.keyboard.press("u")
    expect(page.locator("#toasts")).to_contain_text("Undone. It counts as not used.")
    assert Redemption.objects.get().returned_at is not None


def test_escape_closes_a_dialog_and_returns_to_the_menu(page, person, sign_in, ann, held):
    sign_in(page, person("support agent"))
    page.goto(reverse("support:member", args=[ann.pk]))
    page.get_by_label("Acts on Coffee 20 % off").click()
    page.get_by_role("link", name="Revoke…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Acts on Coffee 20 % off")).to_be_focused()


def test_contact_data_is_edited_without_being_seen(page, person, sign_in, ann, look, complaints):
    sign_in(page, person("support agent"))
    page.goto(reverse("support:member", args=[ann.pk]))
    page.get_by_role("link", name="Edit the contact data").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("j••••@home.example")
    look(page, "fix-contact")
    dialog.get_by_label("E-mail", exact=True).fill("no address")
    dialog.get_by_role("button", name="Save the contact data").click()
    expect(dialog).to_contain_text("This is no e-mail address.")
    # The browser itself complains of each refusal.
    assert all("422" in one or "htmx" in one for one in complaints), complaints
    complaints.clear()
    dialog.get_by_label("E-mail", exact=True).fill("jose@new.example")
    dialog.get_by_role("button", name="Save the contact data").click()
    expect(page.locator("#toasts")).to_contain_text("Saved.")
    expect(page.locator("main")).to_contain_text("j••••@new.example")


def test_the_roles_and_what_they_may_do(page, person, sign_in, look):
    person("support agent")
    sign_in(page, person("auditor"))
    page.goto(reverse("support:roles"))
    expect(page.get_by_role("row", name="Can mark an assignment as redeemed")).to_be_visible()
    look(page, "roles")


def test_a_link_that_names_nobody_says_whom_it_looked_for(page, person, sign_in, look, complaints):
    sign_in(page, person("support agent"))
    page.goto(f"{reverse('support:go')}?member=M-404")
    expect(page.locator("main")).to_contain_text("No member has the external id “M-404”")
    look(page, "go-nobody")
    # The browser itself complains of a 404.
    assert all("404" in one for one in complaints)
    complaints.clear()
