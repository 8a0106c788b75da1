"""Acceptance: optional, and the flag travels with the assignment (S1-15, S1-16)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from offers import rules
from tests.offers.rules import problems


@pytest.mark.parametrize(
    ("terms", "required"),
    [({}, False), ({"acceptance": {"required": False}}, False), ({"acceptance": {"required": True}}, True)],
)
def test_the_flag_is_materialised_s1_15(terms: dict[str, object], required: bool) -> None:
    settled = rules.settle(terms, issued_at=datetime(2026, 1, 1, tzinfo=UTC), zone=ZoneInfo("UTC"))
    assert settled.acceptance_required is required


def test_anything_but_true_and_false_is_refused() -> None:
    message = "Acceptance, Must be accepted: “yes” is neither true nor false. Give one of them."
    assert problems.of({"acceptance": {"required": "yes"}}) == [("acceptance", "required", "not_yes_or_no", message)]
    assert problems.of({"acceptance": {"required": 1}})[0][2] == "not_yes_or_no"


def test_it_says_both() -> None:
    with translation.override("en"):
        said = [
            str(rules.explain({"acceptance": {"required": value}}, currency="EUR")[0].text) for value in (True, False)
        ]
    assert said == ["Must be accepted before it counts", "Counts at once, without acceptance"]
