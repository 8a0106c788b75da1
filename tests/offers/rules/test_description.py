"""Schema and file columns come from the same models as the validation (B-15)."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers import rules
from tests.offers.rules import strategies

EVERYTHING = rules.schema([], optional=rules.KINDS)
VALIDATOR = jsonschema.Draft202012Validator(EVERYTHING)


@given(strategies.terms)
def test_the_schema_takes_what_is_valid_b_15(terms: dict[str, Any]) -> None:
    VALIDATOR.validate(terms)


@pytest.mark.parametrize(
    "terms",
    [
        {"benefit": {"type": "percent", "size": 101}},
        {"benefit": {"type": "amount", "size": 0}},
        {"benefit": {"type": "amount", "size": 5, "maximum_minor": 5}},
        {"benefit": {"type": "percent"}},
        {"validity": {}},
        {"validity": {"days": 3, "ends_at": "2026-01-01"}},
        {"validity": {"start_in_days": 3}},
        {"products": {}},
        {"products": {"groups": []}},
        {"channels": {"channels": ["In Store"]}},
        {"redemption_limit": {"limit": 0}},
        {"minimum_spend": {"amount_minor": "5"}},
        {"acceptance": {"required": "yes"}},
        {"acceptance": {"required": True, "more": 1}},
        {"unknown": {}},
    ],
)
def test_the_schema_refuses_what_parsing_refuses_b_15(terms: dict[str, Any]) -> None:
    with pytest.raises(rules.InvalidTerms):
        rules.parse(terms)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(terms)


def test_the_schema_asks_for_the_templates_rules_and_no_others_b_15() -> None:
    schema = rules.schema(["channels", "benefit"])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["benefit", "channels"]
    with pytest.raises(jsonschema.ValidationError, match="'channels' is a required property"):
        jsonschema.validate({"benefit": {"type": "percent", "size": 5}}, schema)


def test_a_kind_that_does_not_exist_has_no_schema_and_no_columns() -> None:
    with pytest.raises(KeyError, match="no such rule kinds: discount"):
        rules.schema(["discount"])
    with pytest.raises(KeyError, match="no such rule kinds: discount"):
        rules.columns(["discount", "benefit"])


def test_the_header_names_rule_and_field_in_form_order_b_15() -> None:
    assert rules.columns(["redemption_limit", "benefit"]) == [
        "benefit.type",
        "benefit.size",
        "benefit.maximum_minor",
        "redemption_limit.limit",
    ]


@given(st.fixed_dictionaries({}, optional=strategies.RULES))
def test_a_row_gives_back_the_terms_that_were_written_into_it_b_15(terms: dict[str, Any]) -> None:
    canonical = rules.parse(terms).data()
    row = {
        f"{kind}.{name}": ";".join(value) if isinstance(value, list) else str(value)
        for kind, rule in canonical.items()
        for name, value in rule.items()
    }
    assert rules.parse(rules.from_row(row, rules.KINDS)).data() == canonical


def test_a_cell_that_is_not_of_its_type_stays_text_and_is_named_by_parsing_b_15() -> None:
    terms = rules.from_row({"benefit.type": "percent", "benefit.size": "ten", "channels.channels": " "}, rules.KINDS)
    assert terms == {"benefit": {"type": "percent", "size": "ten"}}
    with pytest.raises(rules.InvalidTerms, match="Benefit, Size: “ten” is not a whole number"):
        rules.parse(terms)


def test_fields_say_what_a_form_needs_to_know() -> None:
    size = next(field for field in rules.fields("benefit") if field.name == "size")
    assert (str(size.label), size.type, size.required, size.minimum, size.maximum) == (
        "Size",
        "integer",
        True,
        0,
        10**12,
    )
    assert [size.unit_for({"type": kind}) for kind in ("percent", "amount", "bonus_points", "")] == [
        "percent",
        "money",
        "points",
        "",
    ]
    assert [(field.name, field.required) for field in rules.fields("validity")] == [
        ("starts_at", False),
        ("ends_at", False),
        ("days", False),
        ("start_in_days", False),
    ]
