"""Redemption limit: how often each member may use it (S0-08's example)."""

from django.utils import translation

from offers import rules
from tests.offers.rules import problems


def test_the_limit_given_at_assignment_counts_s0_08() -> None:
    config = {"redemption_limit": {"limit": 1}, "minimum_spend": {"amount_minor": 500}}
    effective = rules.effective(config, {"redemption_limit": {"limit": 3}})
    assert effective == {"redemption_limit": {"limit": 3}, "minimum_spend": {"amount_minor": 500}}
    assert config["redemption_limit"] == {"limit": 1}


def test_below_one_or_beyond_a_million_is_refused() -> None:
    assert problems.of({"redemption_limit": {"limit": 0}}) == [
        (
            "redemption_limit",
            "limit",
            "too_small",
            "Redemption limit, Limit: “0” is too small. Give at least 1.",
        )
    ]
    assert problems.of({"redemption_limit": {"limit": 1_000_001}})[0][2] == "too_large"


def test_it_says_how_often() -> None:
    with translation.override("en"):
        said = [str(rules.explain({"redemption_limit": {"limit": limit}}, currency="EUR")[0].text) for limit in (1, 3)]
    assert said == ["Can be used 1 time", "Can be used 3 times"]
