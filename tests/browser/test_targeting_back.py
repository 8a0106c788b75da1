"""The builder after the browser's Back, Forward and reload: what is drawn is what would be sent (S4-24)."""

from playwright.sync_api import Page, expect

from offers.models import Targeting
from tests.browser.criteria import GOLD, LYON, choose, condition, tree


def _drawn_is_sent(page: Page, *values: str) -> None:
    """Each condition of the textarea has a row with its value, and the preview speaks of the same ones."""
    expect(page.locator("#builder .criteria-row")).to_have_count(len(values))
    for number, value in enumerate(values, 1):
        expect(condition(page.locator("#builder"), str(number)).get_by_label("Value")).to_have_value(value)
        expect(page.locator("#preview")).to_contain_text(f"is {value}")
    assert [one["value"] for one in tree(page)["items"]] == list(values)


def test_s4_24_back_after_saving_a_new_audience_draws_what_the_form_holds(page, builder):
    """S4-24: the browser restores the textarea once the builder has read it; nothing invisible is saved."""
    built = builder()
    built.get_by_role("button", name="+ Condition").click()
    choose(condition(built, "1"), "tier", "Tier")
    condition(built, "1").get_by_label("Value").fill("gold")
    page.get_by_label("Name", exact=True).fill("Gold people")
    page.get_by_role("button", name="Save audience").click()
    expect(page.get_by_role("heading", name="Gold people")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="New audience")).to_be_visible()
    _drawn_is_sent(page, "gold")
    # The first state is the page's own, and what the browser put in can be undone like any other change.
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator("#builder").get_by_text("No condition yet")).to_be_visible()
    assert tree(page)["items"] == []
    page.get_by_role("button", name="Redo", exact=True).click()
    _drawn_is_sent(page, "gold")
    page.get_by_label("Name", exact=True).fill("Gold people again")
    page.get_by_role("button", name="Save audience").click()
    expect(page.get_by_role("heading", name="Gold people again")).to_be_visible()
    assert Targeting.objects.get(name="Gold people again").current_version.criteria["items"] == [GOLD]


def test_s4_24_an_edit_left_unsaved_is_drawn_again_by_back_and_by_forward(page, builder):
    """S4-24: what was built and not saved is there after Back and after Forward, drawn, and still warned of."""
    asked: list[str] = []

    def leave(dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    built = builder({"op": "and", "items": [LYON]})
    condition(built, "1").get_by_label("Value").fill("Paris")
    built.get_by_role("button", name="+ Condition").click()
    choose(condition(built, "2"), "tier", "Tier")
    condition(built, "2").get_by_label("Value").fill("gold")
    page.get_by_role("link", name="Audiences").first.click()
    expect(page.get_by_role("heading", name="Audiences", level=1)).to_be_visible()
    assert asked == ["beforeunload"]
    page.go_back()
    expect(page.get_by_role("heading", name="Locals")).to_be_visible()
    _drawn_is_sent(page, "Paris", "gold")
    # Changed once more, left by Back's contrary, and come back to.
    condition(page.locator("#builder"), "2").get_by_label("Value").fill("silver")
    page.go_forward()
    expect(page.get_by_role("heading", name="Audiences", level=1)).to_be_visible()
    assert asked == ["beforeunload"] * 2
    page.go_back()
    _drawn_is_sent(page, "Paris", "silver")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("version 2").first).to_be_visible()
    assert Targeting.objects.get().current_version.criteria["items"] == [
        LYON | {"value": "Paris"},
        GOLD | {"value": "silver"},
    ]
