"""Terms as a whole: every problem at once, what is missing, and the sentences (S0-06, S0-07, S0-08, B-02)."""

from typing import Any

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from offers import rules
from tests.offers.rules import problems, strategies


def test_every_problem_is_named_at_once_with_its_rule_b_02() -> None:
    found = problems.of(
        {
            "benefit": {"type": "percent", "size": 0},
            "discount": {},
            "redemption_limit": {"limit": 0, "per": "day"},
        },
        required=["channels", "benefit"],
    )
    assert found == [
        ("channels", "", "missing_rule", "Channels: the template asks for this rule. Give its values."),
        ("benefit", "size", "too_small", "Benefit, Size: “0” is too small. Give at least 1."),
        (
            "discount",
            "",
            "unknown_rule",
            "discount: there is no such rule. Use these only: validity, benefit, personal, products, minimum_spend, "
            "redemption_limit, channels, acceptance.",
        ),
        (
            "redemption_limit",
            "limit",
            "too_small",
            "Redemption limit, Limit: “0” is too small. Give at least 1.",
        ),
        (
            "redemption_limit",
            "per",
            "unknown_field",
            "Redemption limit, per: there is no such field. Use these only: limit.",
        ),
    ]


def test_what_is_no_object_is_refused() -> None:
    assert problems.of(["benefit"]) == [
        ("", "", "not_an_object", "“['benefit']” is not an object. Give an object keyed by rule.")
    ]
    assert problems.of({"benefit": None}) == [
        (
            "benefit",
            "",
            "not_an_object",
            "Benefit: null is not an object. Give these fields: type, size, maximum_minor.",
        )
    ]


def test_an_answer_does_not_repeat_a_long_value_and_lists_no_more_than_two_hundred() -> None:
    found = problems.of({"products": {"products": [""] * 500}})
    assert len(found) == 200
    with pytest.raises(rules.InvalidTerms) as refusal:
        rules.parse({"minimum_spend": {"amount_minor": "9" * 5000}})
    assert len(refusal.value.problems[0]["value"]) == 100


def test_a_required_rule_that_is_not_given_is_named_s0_07() -> None:
    assert rules.missing(["channels", "benefit"], {"benefit": {}}) == ["channels"]
    assert rules.missing(["channels", "benefit"], {}) == ["benefit", "channels"]


@given(strategies.terms)
def test_parsing_is_stable(terms: dict[str, Any]) -> None:
    once = rules.parse(terms)
    assert rules.parse(once.data()).data() == once.data()
    assert dict(rules.parse(once.data())) == dict(once)


@given(strategies.terms, strategies.terms)
def test_an_override_replaces_whole_rules_and_nothing_else_s0_08(
    base: dict[str, Any], override: dict[str, Any]
) -> None:
    effective = rules.effective(base, override)
    assert effective.keys() == base.keys() | override.keys()
    for kind, value in effective.items():
        assert value == (override[kind] if kind in override else base[kind])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_any_value_is_taken_or_refused_by_code(value: Any) -> None:
    for kind in rules.KINDS:
        for given_value in (value, {rules.fields(kind)[0].name: value}):
            problems_found: list[dict[str, Any]] = []
            try:
                rules.parse({kind: given_value})
            except rules.InvalidTerms as refusal:
                problems_found = refusal.problems
            assert all(one["code"] and one["rule"] == kind for one in problems_found)


@given(strategies.terms)
def test_every_rule_says_itself_in_form_order_and_every_language(terms: dict[str, Any]) -> None:
    for language in ("en", "de", "fr"):
        lines = rules.explain(terms, currency="EUR")
        with translation.override(language):
            assert [line.rule for line in lines] == [kind for kind in rules.KINDS if kind in terms]
            assert all(str(line.text) for line in lines)
