"""The builder of criteria as its browser tests speak of it: conditions by number, fields by words, the tree."""

import json

from playwright.sync_api import Locator, Page

LYON = {"field": "member.city", "is": "equals", "value": "Lyon"}
GOLD = {"field": "member.tier", "is": "equals", "value": "gold"}
FRENCH = {"field": "member.country", "is": "equals", "value": "FR"}


def tree(page: Page):
    return json.loads(page.locator("#criteria").input_value())


def condition(builder: Locator, number: str) -> Locator:
    return builder.get_by_role("group", name=f"Condition {number}", exact=True)


def options(row: Locator) -> Locator:
    return row.get_by_role("listbox", name="Suggestions").get_by_role("option")


def choose(row: Locator, words: str, label: str) -> None:
    """Choose a field by typing and clicking."""
    row.get_by_label("What").fill(words)
    options(row).filter(has_text=label).first.click()


def drag(page: Page, row: Locator, x: float, y: float) -> None:
    box = row.locator(".criteria-handle").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(x, y - 30, steps=4)
    page.mouse.move(x, y, steps=4)
