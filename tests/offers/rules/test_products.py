"""Products, groups, categories by external id (S1-03, S1-07, S1-09, S1-11)."""

from typing import Any

import pytest
from django.utils import translation

from offers import rules
from tests.offers.rules import problems


def test_ids_are_kept_in_order_and_once_and_empty_lists_are_left_out() -> None:
    terms = rules.parse({"products": {"products": ["0042", "7", "0042"], "groups": [], "categories": ["dairy"]}})
    assert terms.data() == {"products": {"products": ["0042", "7"], "categories": ["dairy"]}}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            {"groups": []},
            (
                "products",
                "missing",
                "Products: nothing is named. Give at least one product, group or category.",
            ),
        ),
        ({"products": "42"}, ("products", "not_a_list", "Products: “42” is not a list. Give a list.")),
        (
            {"products": [42]},
            ("products[0]", "not_text", "Products[0]: “42” is not text. Write it in quotes."),
        ),
        (
            {"products": ["a", ""]},
            ("products[1]", "empty_text", "Products[1]: an entry is empty. Leave it out."),
        ),
        (
            {"categories": ["x" * 201]},
            (
                "categories[0]",
                "text_too_long",
                f"Products, Categories[0]: “{'x' * 99}…” is too long. Use at most 200 characters.",
            ),
        ),
        (
            {"groups": [" a"]},
            (
                "groups[0]",
                "not_an_id",
                "Products, Product groups[0]: “ a” is not an id. Leave out blanks around it and invisible characters.",
            ),
        ),
        (
            {"products": ["a\0"]},
            (
                "products[0]",
                "not_an_id",
                "Products[0]: “a\0” is not an id. Leave out blanks around it and invisible characters.",
            ),
        ),
    ],
)
def test_a_wrong_list_is_refused_by_its_entry(value: dict[str, Any], found: tuple[str, str, str]) -> None:
    assert problems.of({"products": value}) == [("products", *found)]


def test_a_list_without_end_is_refused() -> None:
    found = problems.of({"products": {"products": [str(number) for number in range(20_001)]}})
    assert found == [("products", "products", "list_too_long", "Products: the list is too long. Name at most 20000.")]


def test_it_says_how_many() -> None:
    value = {"products": ["1", "2"], "groups": ["g"], "categories": ["c"]}
    with translation.override("en"):
        text = str(rules.explain({"products": value}, currency="EUR")[0].text)
    assert text == "For 2 products, 1 product group and 1 category"
