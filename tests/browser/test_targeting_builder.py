"""The builder of criteria, by hand: mouse, keyboard, phone and JSON (S4-24)."""

import json

from django.urls import reverse
from playwright.sync_api import Locator, expect

from tests.browser.criteria import FRENCH, GOLD, LYON, condition, drag, options, tree
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory


def test_s4_24_a_period_between_two_days_and_without_an_end(page, builder):
    """S4-24: last N days, dates, or at any time; one end may be left open."""
    built = builder({"op": "and", "items": [{"purchases": "count", "is": "greater", "value": 2}]})
    row = condition(built, "1")
    row.get_by_label("Period").select_option(label="between dates")
    row.get_by_label("from").fill("2026-01-01")
    assert tree(page)["items"][0]["where"] == {"from": "2026-01-01"}
    row.get_by_label("until").fill("2026-03-31")
    assert tree(page)["items"][0]["where"] == {"from": "2026-01-01", "to": "2026-03-31"}
    expect(page.locator("#preview")).to_contain_text("from Jan. 1, 2026, until March 31, 2026")
    row.get_by_label("Period").select_option(label="in the last")
    assert tree(page)["items"][0]["where"] == {"last_days": 90}
    row.get_by_label("Period").select_option(label="at any time")
    assert "where" not in tree(page)["items"][0]


def test_s4_24_everything_can_be_built_with_the_keyboard_alone(page, programme, builder, assert_accessible):
    """S4-24: the field by its key, operator, value, a second condition, moved up, into a group and out again."""
    MemberFactory(programme=programme, city="Lyon", tier="gold")
    built = builder()
    keys = page.keyboard
    built.get_by_role("button", name="+ Condition").focus()
    keys.press("Enter")
    # The new condition's field has the focus; the list opens as one types, the first hit is taken.
    keys.type("member.city")
    expect(condition(built, "1").get_by_role("option", name="City")).to_be_visible()
    keys.press("Enter")
    keys.press("Tab")
    keys.type("Lyon")
    expect(page.locator("#preview")).to_contain_text("City is Lyon")
    built.get_by_role("button", name="+ Group").focus()
    keys.press("Enter")
    keys.type("tier")
    keys.press("ArrowDown")
    keys.press("Enter")
    keys.press("Tab")
    keys.type("gold")
    expect(page.locator("#preview")).to_contain_text("City is Lyon and Tier is gold")
    gold = GOLD
    assert tree(page) == {"op": "and", "items": [LYON, {"op": "or", "items": [gold]}]}
    condition(built, "2.1").locator(".criteria-handle").focus()
    keys.press("Alt+ArrowLeft")
    assert tree(page)["items"] == [LYON, {"op": "or", "items": []}, gold]
    live = page.locator("#live")
    expect(live).to_have_text("Tier moved to place 3 of 3")
    # The focus goes along.
    expect(condition(built, "3").locator(".criteria-handle")).to_be_focused()
    keys.press("Alt+ArrowUp")
    keys.press("Alt+ArrowUp")
    assert tree(page)["items"] == [gold, LYON, {"op": "or", "items": []}]
    keys.press("Alt+ArrowUp")
    expect(live).to_have_text("It is the first one here.")
    keys.press("Alt+ArrowRight")
    expect(live).to_have_text("There is no group beside it.")
    keys.press("Alt+ArrowDown")
    keys.press("Alt+ArrowRight")
    assert tree(page)["items"] == [LYON, {"op": "or", "items": [gold]}]
    expect(live).to_have_text("Tier moved to place 1 of 1 in group 2")
    assert_accessible(page)


def test_s4_24_a_condition_is_dragged_into_another_group(page, builder, shoot):
    """S4-24: a bar shows where it would land; Escape lets go of it; nothing lands in itself."""
    group = {"op": "or", "items": [GOLD, FRENCH]}
    built = builder({"op": "and", "items": [LYON, group]})
    target = condition(built, "2.2").bounding_box()
    x, y = target["x"] + 200, target["y"] + 4
    drag(page, condition(built, "1"), x, y)
    expect(built.locator(".criteria-group .criteria-group .criteria-drop")).to_be_visible()
    shoot(page, "audience-drag")
    page.keyboard.press("Escape")
    page.mouse.up()
    expect(built.locator(".criteria-drop")).to_have_count(0)
    assert tree(page) == {"op": "and", "items": [LYON, group]}

    drag(page, condition(built, "1"), x, y)
    page.mouse.up()
    assert tree(page)["items"] == [{"op": "or", "items": [GOLD, LYON, FRENCH]}]
    expect(page.locator("#live")).to_have_text("City moved to place 2 of 3 in group 1")
    # A group cannot be dropped among its own conditions.
    inside = condition(built, "1.3").bounding_box()
    drag(page, built.locator(".criteria-group .criteria-group"), inside["x"] + 200, inside["y"] + 20)
    page.mouse.up()
    assert tree(page)["items"] == [{"op": "or", "items": [GOLD, LYON, FRENCH]}]
    # A whole group goes too: to the top of the outermost.
    built.get_by_role("button", name="+ Offers given").last.click()
    first = built.locator(".criteria-head").first.bounding_box()
    drag(page, condition(built, "2"), first["x"] + 300, first["y"] + 10)
    page.mouse.up()
    assert [sorted(item) for item in tree(page)["items"]] == [["assignments", "is", "value"], ["items", "op"]]


def test_s4_24_conditions_and_groups_are_duplicated_turned_round_wrapped_and_dissolved(page, builder):
    """S4-24: from the row's buttons and its menu; complements where the language has them, else a group around it."""
    spent = {"purchases": "amount", "is": "greater", "value": 3000}
    built = builder({"op": "and", "items": [LYON, spent]})

    def act(place: Locator, name: str) -> None:
        place.locator("details.menu > summary").first.click()
        place.get_by_role("button", name=name, exact=True).first.click()

    condition(built, "1").get_by_role("button", name="Duplicate City").click()
    assert tree(page)["items"] == [LYON, LYON, spent]
    act(condition(built, "2"), "Turn round")
    assert tree(page)["items"][1] == LYON | {"is": "not_equals"}
    act(condition(built, "3"), "Turn round")
    assert tree(page)["items"][2] == {"not": True, "op": "and", "items": [spent]}
    act(condition(built, "3.1"), "Turn round")
    assert tree(page)["items"][2] == spent
    act(condition(built, "3"), "Put into a new group")
    assert tree(page)["items"][2] == {"op": "or", "items": [spent]}
    group = built.locator(".criteria-group .criteria-group")
    act(group, "Turn round")
    assert tree(page)["items"][2] == {"op": "or", "items": [spent], "not": True}
    expect(group.get_by_label("How the conditions go together")).to_have_value("2")
    group.get_by_role("button", name="Duplicate Group 3").click()
    assert len(tree(page)["items"]) == 4
    act(built.locator(".criteria-group .criteria-group").last, "Dissolve the group")
    assert tree(page)["items"][3] == spent


def test_s4_24_edits_are_undone_and_done_again(page, builder):
    """S4-24: by the buttons and by the keys; what was typed into one field is one edit; not while typing."""
    built = builder({"op": "and", "items": [LYON]})
    undo = page.get_by_role("button", name="Undo", exact=True)
    expect(undo).to_be_disabled()
    condition(built, "1").get_by_label("Value").press_sequentially("!!!")
    condition(built, "1").get_by_role("button", name="Remove City").click()
    assert tree(page)["items"] == []
    page.keyboard.press("Control+z")
    assert tree(page)["items"][0]["value"] == "!!!Lyon"
    page.keyboard.press("Control+z")
    assert tree(page)["items"] == [LYON]
    expect(undo).to_be_disabled()
    page.keyboard.press("Control+Shift+z")
    assert tree(page)["items"][0]["value"] == "!!!Lyon"
    page.get_by_role("button", name="Redo", exact=True).click()
    assert tree(page)["items"] == []
    undo.click()
    undo.click()
    condition(built, "1").get_by_label("Value").press("x")
    page.keyboard.press("Control+z")
    # The browser's own undo in the field: the tree follows what stands there.
    assert tree(page)["items"][0]["value"] == condition(built, "1").get_by_label("Value").input_value()


def test_b_02_a_problem_stands_at_its_row_and_in_the_preview(page, builder, assert_accessible, shoot):
    """B-02: the control is marked and described; the preview's words lead to it; gone when it is mended."""
    built = builder({"op": "and", "items": [LYON, {"op": "or", "items": [GOLD]}]})
    condition(built, "2.1").get_by_label("Value").fill("")
    row = condition(built, "2.1")
    expect(row.locator(".criteria-problem")).to_have_text("Tier: a value is missing. Give one.")
    field = row.get_by_label("Value")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description("Tier: a value is missing. Give one.")
    expect(condition(built, "1").locator(".criteria-problem")).to_have_count(0)
    built.get_by_role("button", name="+ Offers given").last.click()
    row = condition(built, "3")
    row.get_by_label("+ Only of…").select_option(label="Offers")
    row.get_by_role("combobox", name="Only of Offers").fill("tea")
    row.get_by_role("combobox", name="Only of Offers").press("Enter")
    expect(row.locator(".criteria-problem")).to_contain_text("nothing here has this external id: tea")
    assert_accessible(page)
    shoot(page, "audience-problems", whole=True)
    page.locator("#preview").get_by_role("button", name="Tier: a value is missing").click()
    expect(condition(built, "2.1").get_by_label("Value")).to_be_focused()
    page.keyboard.type("gold")
    expect(condition(built, "2.1").locator(".criteria-problem")).to_have_count(0)
    condition(built, "3").get_by_role("button", name="Remove tea").click()
    condition(built, "3").get_by_role("button", name="Remove Offers", exact=True).click()
    expect(page.locator("#preview .criteria-sentence")).to_be_visible()
    expect(built.locator(".criteria-problem")).to_have_count(0)


def test_s4_24_several_values_are_chips_with_names(page, programme, builder):
    """S4-24: from suggestions, typed, pasted as a list; taken away by their button or with Backspace."""
    for name in ("Coffee", "Tea", "Cocoa"):
        ConfigOfferFactory(programme=programme, offer_reference=name.lower(), name=f"Free {name}")
    built = builder()
    built.get_by_role("button", name="+ Offers given").click()
    row = condition(built, "1")
    row.get_by_label("+ Only of…").select_option(label="Offers")
    field = row.get_by_role("combobox", name="Only of Offers")
    expect(field).to_be_focused()
    page.keyboard.type("coc")
    page.keyboard.press("Enter")
    chips = row.get_by_role("list", name="Only of Offers").get_by_role("listitem")
    expect(chips).to_have_text(["Free Cocoa×"])
    expect(field).to_be_focused()
    page.keyboard.type("free")
    # What is chosen is not offered again.
    expect(options(row)).to_have_count(2)
    row.get_by_role("option", name="Free Tea").click()
    assert tree(page)["items"][0]["where"] == {"offers": ["cocoa", "tea"]}
    row.get_by_role("button", name="Remove Free Cocoa").click()
    expect(chips).to_have_text(["Free Tea×"])
    page.keyboard.press("Backspace")
    expect(chips).to_have_count(0)
    # A column copied from a sheet comes as one chip a line.
    field.evaluate(
        """(input) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", "tea\\ncoffee\\ttea");
          input.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }"""
    )
    assert tree(page)["items"][0]["where"] == {"offers": ["tea", "coffee"]}
    # JSON from elsewhere: drawn at once, with the names that this programme has.
    page.locator(".criteria-source > summary").click()
    there = {
        "op": "or",
        "items": [{"assignments": "count", "where": {"offers": ["coffee"]}, "is": "greater", "value": 0}],
    }
    page.locator("#criteria").fill(json.dumps(there))
    expect(condition(built, "1").get_by_role("list", name="Only of Offers")).to_have_text("Free Coffee×")


def test_s4_24_the_criteria_go_out_as_json_and_come_in_again(page, builder):
    """S4-24, issue 4: as a file and by copying; what is no condition is said, and the builder stays as it was."""
    built = builder({"op": "and", "items": [LYON]})
    page.locator(".criteria-source > summary").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    assert json.loads(started.value.path().read_text()) == {"op": "and", "items": [LYON]}
    assert started.value.suggested_filename == "criteria.json"
    copied = page.locator("[data-criteria-copy]").get_attribute("data-copy")
    assert json.loads(copied) == {"op": "and", "items": [LYON]}
    for strange, said in (
        ("{", "The criteria are not JSON"),
        ("5", "is not an object"),
        ('{"items": [5]}', "is not an"),
    ):
        page.locator("#criteria").fill(strange)
        expect(page.locator("#preview")).to_contain_text(said)
        expect(condition(built, "1").get_by_label("What")).to_have_value("City")
    # One condition alone is as good as a group, and a kind that is not made here stays as it is.
    unknown = {"weather": "rainy"}
    page.locator("#criteria").fill(json.dumps({"op": "or", "items": [GOLD, unknown]}))
    expect(condition(built, "2")).to_contain_text('{"weather":"rainy"}')
    page.locator("#criteria").fill(json.dumps(GOLD))
    expect(condition(built, "1").get_by_label("What")).to_have_value("Tier")
    page.get_by_role("button", name="Undo", exact=True).click()
    assert tree(page) == {"op": "or", "items": [GOLD, unknown]}


def test_d_08_money_with_more_decimals_than_the_currency_has_is_refused_where_it_stands(page, builder):
    """D-08, B-02, S4-24: never rounded in silence, nor a thousandth of what was meant; noughts alone say nothing."""
    built = builder({"op": "and", "items": [{"purchases": "amount", "is": "greater", "value": 3000}]})
    row = condition(built, "1")
    field = row.get_by_label("Value (EUR)")
    expect(field).to_have_value("30.00")
    for typed, kept in (("1.15", 115), ("1.5", 150), ("0.500", 50), ("1234.000", 123_400), ("7", 700), ("-2.5", -250)):
        field.fill(typed)
        assert tree(page)["items"][0]["value"] == kept, typed
    for typed in ("1.234", "1.000", "0.505"):
        field.fill(typed)
        assert tree(page)["items"][0]["value"] == typed
        expect(row.locator(".criteria-problem")).to_contain_text(f"“{typed}” has too many decimals. Give at most 2.")
        expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("1.23")
    expect(row.locator(".criteria-problem")).to_have_count(0)
    assert tree(page)["items"][0]["value"] == 123


def test_s4_24_a_phone_can_do_it_too(open_context, programme, person, sign_in, assert_accessible, shoot):
    """S4-24: 390 px wide nothing hangs over the edge, and moves are in the menu for whoever cannot drag."""
    page = open_context(viewport={"width": 390, "height": 844}).new_page()
    sign_in(page, person("marketer"))
    spent = {"purchases": "amount", "where": {"last_days": 30}, "is": "between", "value": [100, 2000]}
    saved = TargetingFactory(
        programme=programme, criteria={"op": "and", "items": [LYON, {"op": "or", "items": [spent, GOLD]}]}
    )
    page.goto(reverse("offers:targeting", args=[saved.pk]))
    built = page.locator("#builder")
    row = condition(built, "2.2")
    row.locator("details.menu > summary").click()
    row.get_by_role("button", name="Move out of the group").click()
    assert tree(page)["items"][2] == GOLD
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Words and numbers follow the builder at once, not below all else.
    tops = [page.locator(one).bounding_box()["y"] for one in ("#builder", "#preview", "#name")]
    assert tops == sorted(tops)
    assert_accessible(page)
    shoot(page, "audience-phone", whole=True)
