"""Conditions that can never hold together are refused by name; what may hold is not."""

from typing import Any

import pytest

from offers import targeting
from tests.offers.targeting.catalogue import CATALOGUE


def city(operator: str, *value: Any) -> dict[str, Any]:
    return {"field": "member.city", "is": operator} | ({"value": value[0]} if value else {})


def children(operator: str, value: Any) -> dict[str, Any]:
    return {"field": "attribute.children", "is": operator, "value": value}


def bought(operator: str, value: Any, **where: Any) -> dict[str, Any]:
    return {"purchases": "count", "where": where, "is": operator, "value": value}


@pytest.mark.parametrize(
    ("items", "label"),
    [
        ([city("equals", "London"), city("equals", "Paris")], "City"),
        ([city("in", ["London", "Rome"]), city("not_in", ["Rome", "London"])], "City"),
        ([city("equals", "London"), city("starts_with", "par")], "City"),
        ([city("starts_with", "lo"), city("starts_with", "Par")], "City"),
        ([city("contains", "x"), city("not_exists")], "City"),
        ([children("less", 2), children("greater", 5)], "Children"),
        ([children("less", 2), children("greater_or_equal", 2)], "Children"),
        ([children("between", [1, 3]), children("equals", 4)], "Children"),
        ([bought("less", 2), bought("greater", 5)], "Purchases"),
        ([city("equals", "London"), {"op": "and", "items": [city("equals", "Paris")]}], "City"),
    ],
)
def test_a_contradiction_is_refused_by_name(items: list[dict[str, Any]], label: str) -> None:
    with pytest.raises(targeting.InvalidCriteria) as refusal:
        targeting.parse({"op": "or", "items": [city("exists"), {"op": "and", "items": items}]}, CATALOGUE)
    assert [(one["path"], one["code"], one["message"]) for one in refusal.value.problems] == [
        (
            "items[1]",
            "contradiction",
            f"{label}: these conditions can never hold together. Change one, or join them by “or”.",
        )
    ]


@pytest.mark.parametrize(
    "items",
    [
        [city("in", ["London", "Rome"]), city("not_equals", "Rome")],
        [city("equals", "London"), city("starts_with", "lon")],
        [city("not_exists"), city("not_equals", "Rome")],
        [children("less_or_equal", 2), children("greater_or_equal", 2)],
        [bought("less", 2), bought("greater", 5, last_days=30)],
        [city("equals", "London"), {"not": True, "op": "and", "items": [city("equals", "Paris")]}],
        [city("equals", "London"), {"op": "or", "items": [city("equals", "Paris"), city("equals", "London")]}],
        [
            {"field": "attribute.likes", "is": "contains", "value": "tea"},
            {"field": "attribute.likes", "is": "contains", "value": "milk"},
        ],
    ],
)
def test_what_may_hold_together_is_taken(items: list[dict[str, Any]]) -> None:
    targeting.parse({"op": "and", "items": items}, CATALOGUE)
