"""Benefit: type and size, per member (S1-03, S1-05)."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from offers import rules
from tests.offers.rules import problems


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            {"type": "percent", "size": 0},
            ("size", "too_small", "Benefit, Size: “0” is too small. Give at least 1."),
        ),
        (
            {"type": "percent", "size": 101},
            ("size", "too_large", "Benefit, Size: “101” is too large. Give at most 100."),
        ),
        (
            {"type": "bonus_points", "size": 5, "maximum_minor": 5},
            (
                "maximum_minor",
                "not_applicable",
                "Benefit, Ceiling: only a percentage or a fixed price has a ceiling. Leave it empty.",
            ),
        ),
        (
            {"type": "half", "size": 5},
            (
                "type",
                "unknown_choice",
                "Benefit, Type: “half” is not a choice. Use one of: percent, amount, fixed_price, bonus_points.",
            ),
        ),
        (
            {"type": "percent", "size": True},
            (
                "size",
                "not_a_whole_number",
                "Benefit, Size: “True” is not a whole number. Give one, such as 10.",
            ),
        ),
        (
            {"type": "percent", "size": 5.5},
            (
                "size",
                "not_a_whole_number",
                "Benefit, Size: “5.5” is not a whole number. Give one, such as 10.",
            ),
        ),
        ({"type": "percent"}, ("size", "missing", "Benefit, Size: a value is missing. Give one.")),
        (
            {"type": "amount", "size": -1},
            ("size", "too_small", "Benefit, Size: “-1” is too small. Give at least 0."),
        ),
    ],
)
def test_a_wrong_benefit_is_refused_by_name(value: dict[str, Any], found: tuple[str, str, str]) -> None:
    assert problems.of({"benefit": value}) == [("benefit", *found)]


def test_only_a_price_may_be_nothing() -> None:
    assert rules.parse({"benefit": {"type": "fixed_price", "size": 0}}).data() == {
        "benefit": {"type": "fixed_price", "size": 0}
    }


@pytest.mark.parametrize(
    ("value", "limit", "exposure"),
    [
        ({"type": "amount", "size": 250}, None, 250),
        ({"type": "amount", "size": 250}, 3, 750),
        ({"type": "percent", "size": 50, "maximum_minor": 500}, 2, 1000),
        ({"type": "percent", "size": 50}, 2, 0),
        ({"type": "fixed_price", "size": 99}, 2, 0),
        ({"type": "fixed_price", "size": 99, "maximum_minor": 300}, 2, 600),
        ({"type": "bonus_points", "size": 1000}, 2, 0),
    ],
)
def test_the_exposure_is_the_worst_case_in_minor_units(value: dict[str, Any], limit: int | None, exposure: int) -> None:
    terms: dict[str, Any] = {"benefit": value}
    if limit:
        terms["redemption_limit"] = {"limit": limit}
    settled = rules.settle(terms, issued_at=datetime(2026, 1, 1, tzinfo=UTC), zone=ZoneInfo("UTC"))
    assert settled.exposure_minor == exposure


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"type": "percent", "size": 10}, "10 % off"),
        ({"type": "percent", "size": 10, "maximum_minor": 500}, "10 % off, at most 5.00 €"),
        ({"type": "amount", "size": 250}, "2.50 € off"),
        ({"type": "fixed_price", "size": 199}, "For 1.99 €"),
        ({"type": "bonus_points", "size": 1}, "1 bonus point"),
        ({"type": "bonus_points", "size": 50}, "50 bonus points"),
    ],
)
def test_it_says_what_it_is_worth(value: dict[str, Any], sentence: str) -> None:
    with translation.override("en"):
        assert str(rules.explain({"benefit": value}, currency="EUR")[0].text) == sentence
