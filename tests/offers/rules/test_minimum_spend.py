"""Minimum spend: a threshold in minor units (S1-13, D-08)."""

from django.utils import translation

from offers import rules
from tests.offers.rules import problems


def test_it_is_kept_in_minor_units_and_said_in_major_ones_d_08() -> None:
    terms = rules.parse({"minimum_spend": {"amount_minor": 2050}})
    assert terms.data() == {"minimum_spend": {"amount_minor": 2050}}
    with translation.override("en"):
        assert str(rules.explain(terms, currency="EUR")[0].text) == "For a purchase of 20.50 € or more"
        assert str(rules.explain(terms, currency="JPY")[0].text) == "For a purchase of ¥2,050 or more"


def test_nothing_or_too_much_is_refused() -> None:
    assert problems.of({"minimum_spend": {"amount_minor": 0}}) == [
        (
            "minimum_spend",
            "amount_minor",
            "too_small",
            "Minimum spend, Amount: “0” is too small. Give at least 1.",
        )
    ]
    assert problems.of({"minimum_spend": {"amount_minor": 10**12 + 1}}) == [
        (
            "minimum_spend",
            "amount_minor",
            "too_large",
            "Minimum spend, Amount: “1000000000001” is too large. Give at most 1000000000000.",
        )
    ]
