"""Criteria in plain words."""

from typing import Any

import pytest
from django.utils import translation

from offers import targeting
from tests.offers.targeting.catalogue import CATALOGUE

CITY = {"field": "member.city", "is": "equals", "value": "London"}
OLD = {"field": "member.joined_at", "is": "not_in_last_days", "value": 30}


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"op": "and", "items": [], "all_members": True}, "All members"),
        (CITY, "City is London"),
        (
            {"op": "and", "items": [CITY, {"op": "or", "items": [OLD, CITY]}]},
            "City is London and (Joined is not in the last 30 days or City is London)",
        ),
        ({"not": True, "op": "or", "items": [CITY, OLD]}, "not (City is London or Joined is not in the last 30 days)"),
        ({"field": "member.gender", "is": "in", "value": ["f", "m"]}, "Gender is one of female or male"),
        ({"field": "attribute.owner", "is": "equals", "value": True}, "Home owner is yes"),
        ({"field": "attribute.children", "is": "between", "value": [1, 3]}, "Children is between 1 and 3"),
        ({"field": "member.city", "is": "in", "value": list("abcdefg")}, "City is one of a, b, c, d, e or 2 more"),
        ({"field": "member.birth_date", "is": "before", "value": "1990-05-01"}, "Birth date is before May 1, 1990"),
        ({"field": "attribute.tier", "is": "exists"}, "Tier is known"),
        (
            {
                "purchases": "amount",
                "where": {"categories": ["10", "20"], "last_days": 30},
                "is": "greater_or_equal",
                "value": 2500,
            },
            "Amount spent (Categories: Dairy, Bakery, in the last 30 days) is at least 25.00 €",
        ),
        (
            {"purchases": "count", "where": {"from": "2026-01-01", "to": "2026-01-31"}, "is": "less", "value": 3},
            "Purchases (from Jan. 1, 2026, until Jan. 31, 2026) is less than 3",
        ),
    ],
)
def test_criteria_say_themselves(tree: dict[str, Any], text: str) -> None:
    with translation.override("en"):
        assert targeting.sentence(targeting.parse(tree, CATALOGUE)) == text
