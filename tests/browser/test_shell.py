"""The staff shell in a real browser: sign in, navigation, keyboard, colours, admin (SCREENS, Rules; S0-20, S4-41)."""

import os

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD


def test_a_person_signs_in_with_her_password_and_out_again(page, person, assert_accessible):
    person("marketer")
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("User name or e-mail").fill("marketer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible()
    page.locator("summary", has=page.locator(".avatar-letter")).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_wrong_password_says_what_to_do_and_keeps_the_name(page, person, assert_accessible):
    person("marketer")
    page.goto("/accounts/login/")
    page.get_by_label("User name or e-mail").fill("marketer")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_contain_text("password")
    expect(page.get_by_label("User name or e-mail")).to_have_value("marketer")
    assert_accessible(page)


@pytest.mark.parametrize(
    ("role", "scheme"),
    [
        ("marketer", "light"),
        ("support agent", "light"),
        ("integration", "light"),
        ("superuser", "light"),
        ("superuser", "dark"),
    ],
)
def test_home_is_accessible_for_every_role_in_both_colours(
    open_context, person, sign_in, assert_accessible, role, scheme
):
    page = open_context(color_scheme=scheme).new_page()
    sign_in(page, person(role))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
    assert_accessible(page)


@pytest.mark.parametrize("width", [768, 390])
def test_home_does_not_scroll_sideways_on_small_screens(open_context, person, sign_in, width):
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, person("administrator"))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Navigation").click()
    expect(page.locator("#navigation")).to_have_class("shell-nav open")
    page.keyboard.press("Escape")
    expect(page.locator("#navigation")).to_have_class("shell-nav")
    expect(page.get_by_role("button", name="Navigation")).to_be_focused()


def test_the_navigation_shows_a_role_only_its_own(page, person, sign_in):
    sign_in(page, person("support agent"))
    page.goto("/")
    navigation = page.get_by_role("navigation", name="Main")
    expect(navigation.get_by_role("link", name="Home")).to_have_attribute("aria-current", "page")
    for hidden in ("Runs", "Vouchers", "Audiences", "API clients", "Audit", "Settings"):
        expect(navigation.get_by_role("link", name=hidden)).to_have_count(0)


def test_the_keyboard_finds_search_and_help_but_never_while_typing(page, person, sign_in):
    sign_in(page, person("superuser"))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/admin/")
    if page.locator("#search").count():
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()
        page.keyboard.type("g?s")
        expect(page.locator("#search")).to_have_value("g?s")
        expect(dialog).to_be_hidden()


def test_the_colours_chosen_stay_on_the_next_page(page, person, sign_in):
    sign_in(page, person("superuser"))
    page.goto("/")
    page.locator("summary[aria-label=Colours]").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_admin_wears_the_same_look_and_is_accessible(open_context, person, sign_in, assert_accessible, scheme):
    page = open_context(color_scheme=scheme).new_page()
    sign_in(page, person("superuser"))
    for address in ("", "auth/group/add/", "loyalty/product/", "loyalty/apiclient/add/", "loyalty/auditevent/"):
        page.goto(f"/admin/{address}")
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        assert_accessible(page)


def test_the_admin_sends_strangers_to_the_one_sign_in_and_back(page, person):
    person("superuser")
    page.goto("/admin/auth/group/")
    page.get_by_label("User name or e-mail").fill("superuser")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/auth/group/")


def test_an_unknown_page_says_so_in_the_same_look(page, complaints, assert_accessible):
    page.goto("/nowhere/")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    assert_accessible(page)
    assert any("404" in complaint for complaint in complaints)
    complaints.clear()


def test_an_address_that_only_takes_a_form_says_so_in_the_same_look(page, complaints, assert_accessible):
    """SCREENS: Enter in the address bar after a refusal is no white page."""
    page.goto("/offers/runs/7/undo")
    expect(page.get_by_role("heading", name="There is nothing to look at here")).to_be_visible()
    expect(page.get_by_role("link", name="Back to the page")).to_have_attribute("href", "/offers/runs/7/")
    assert_accessible(page)
    if shots := os.environ.get("LAUREL_SHOTS"):
        page.screenshot(path=f"{shots}/405.png")
    assert any("405" in complaint for complaint in complaints)
    complaints.clear()


def test_an_undo_is_offered_with_the_toast_and_takes_the_key_u(page, person, sign_in):
    sign_in(page, person("superuser"))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    undone = []

    def undo(route):
        undone.append(route.request.post_data)
        route.fulfill(status=204)

    page.route("**/undo-it", undo)
    page.evaluate(
        "document.body.dispatchEvent(new CustomEvent('laurel:toast',"
        " {bubbles: true, detail: {level: 'success', text: 'Granted.', undo: '/undo-it'}}))"
    )
    expect(page.get_by_role("status").get_by_text("Granted.")).to_be_visible()
    page.keyboard.press("u")
    page.wait_for_timeout(300)
    assert len(undone) == 1
    assert "csrfmiddlewaretoken=" in undone[0]
    assert "csrfmiddlewaretoken=&" not in undone[0] + "&"


def test_a_part_that_fails_to_load_says_so_and_can_be_tried_again(page, person, sign_in, complaints):
    sign_in(page, person("superuser"))
    answers = [503, 200]
    page.route("**/home/figures", lambda route: route.fulfill(status=answers.pop(0), body="<p>The figures</p>"))
    page.goto("/")
    expect(page.get_by_text("The server could not do this")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("The figures")).to_be_visible()
    complaints.clear()


def test_the_navigation_folds_and_stays_folded(page, person, sign_in):
    sign_in(page, person("superuser"))
    page.goto("/")
    page.get_by_role("button", name="Fold the navigation").click()
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("data-nav", "rail")
    assert page.locator("#navigation").bounding_box()["width"] < 80
    expect(page.get_by_role("link", name="Settings")).to_be_visible()
