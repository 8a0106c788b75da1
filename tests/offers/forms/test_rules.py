"""The form of a template's rules: S0-06, S0-07, S0-08, B-15."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.utils import translation
from hypothesis import given

from offers import rules
from offers.forms.rules import RulesForm
from tests.offers.rules import strategies

BERLIN = ZoneInfo("Europe/Berlin")


def form(data: dict[str, Any] | None = None, *, kinds: Any = rules.KINDS, **options: Any) -> RulesForm:
    posted = None
    if data is not None:
        posted = QueryDict(mutable=True)
        for name, value in data.items():
            posted.setlist(name, value if isinstance(value, list) else [value])
    return RulesForm(posted, kinds=kinds, **({"currency": "EUR", "zone": BERLIN} | options))


def errors(bound: RulesForm) -> dict[str, list[str]]:
    assert not bound.is_valid()
    assert bound.terms == {}
    return {name: list(found) for name, found in bound.errors.items()}


def test_people_write_major_units_and_terms_have_minor_ones_d_08() -> None:
    bound = form(
        {
            "validity__days": "14",
            "benefit__type": "amount",
            "benefit__size": "2.50",
            "personal__mechanic": "groups",
            "products__products": "0042\n 7 \n\n",
            "minimum_spend__amount_minor": "20",
            "redemption_limit__limit": "3",
            "channels__channels": ["store", "web"],
            "acceptance__required": "false",
        }
    )
    assert bound.is_valid(), bound.errors
    assert bound.terms == {
        "validity": {"days": 14},
        "benefit": {"type": "amount", "size": 250},
        "personal": {"mechanic": "groups"},
        "products": {"products": ["0042", "7"]},
        "minimum_spend": {"amount_minor": 2000},
        "redemption_limit": {"limit": 3},
        "channels": {"channels": ["store", "web"]},
        "acceptance": {"required": False},
    }


@pytest.mark.parametrize(
    ("kind", "typed", "size"), [("percent", "10", 10), ("bonus_points", "250", 250), ("fixed_price", "0,99", 99)]
)
def test_the_size_is_read_in_the_unit_of_its_type(kind: str, typed: str, size: int) -> None:
    bound = form({"benefit__type": kind, "benefit__size": typed}, kinds=["benefit"])
    assert bound.is_valid()
    assert bound.terms == {"benefit": {"type": kind, "size": size}}


def test_each_rule_that_the_template_asks_for_and_nobody_gave_is_named_s0_07() -> None:
    found = errors(
        form({"benefit__type": "percent", "benefit__size": "10"}, kinds=["benefit", "channels", "acceptance"])
    )
    assert found == {
        "channels__channels": ["Channels: the template asks for this rule. Give its values."],
        "acceptance__required": ["Acceptance: the template asks for this rule. Give its values."],
    }


def test_a_rule_that_is_not_required_may_be_left_empty() -> None:
    bound = form({"benefit__type": "", "redemption_limit__limit": "2"}, required=["redemption_limit"])
    assert bound.is_valid()
    assert bound.terms == {"redemption_limit": {"limit": 2}}


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        (
            {"benefit__type": "percent", "benefit__size": "10.5"},
            "benefit__size",
            "Benefit, Size: “10.5” is not a whole number. Give one, such as 10.",
        ),
        (
            {"benefit__type": "percent", "benefit__size": "101"},
            "benefit__size",
            "Benefit, Size: “101” is too large. Give at most 100.",
        ),
        ({"benefit__size": "5"}, "benefit__type", "Benefit, Type: a value is missing. Give one."),
        (
            {"benefit__type": "amount", "benefit__size": "2.505"},
            "benefit__size",
            "Benefit, Size: “2.505” has too many decimals. Give at most 2. If thousands are meant, write 2505.",
        ),
        (
            {"benefit__type": "amount", "benefit__size": "free"},
            "benefit__size",
            "Benefit, Size: “free” is not an amount. Write one such as 12.50.",
        ),
        (
            {"minimum_spend__amount_minor": "0"},
            "minimum_spend__amount_minor",
            "Minimum spend, Amount: 0.00 € is too small. Give at least 0.01 €.",
        ),
        (
            {"minimum_spend__amount_minor": "99999999999"},
            "minimum_spend__amount_minor",
            "Minimum spend, Amount: 99,999,999,999.00 € is too large. Give at most 10,000,000,000.00 €.",
        ),
        (
            {"validity__ends_at": "31.12.2026"},
            "validity__ends_at",
            (
                "Validity, Ends: “31.12.2026” is not a date. Write it as 2026-12-31 or 2026-12-31T18:00:00+01:00, "
                "in the years 1900 to 2999."
            ),
        ),
        (
            {"redemption_limit__limit": "two"},
            "redemption_limit__limit",
            "Redemption limit, Limit: “two” is not a whole number. Give one, such as 10.",
        ),
        (
            {"products__products": "a\n" + "x" * 201},
            "products__products",
            f"Products[1]: “{'x' * 99}…” is too long. Use at most 200 characters.",
        ),
    ],
)
def test_a_mistake_is_said_beside_its_field_as_at_every_door(data: dict[str, Any], field: str, message: str) -> None:
    with translation.override("en"):
        assert errors(form(data, required=[])) == {field: [message]}


@given(strategies.terms)
def test_a_form_shows_stored_terms_and_saves_the_same(terms: dict[str, Any]) -> None:
    canonical = rules.parse(terms).data()
    ends_at = canonical.get("validity", {}).get("ends_at", "")
    if len(ends_at) > 10:
        # A form shows seconds, no fractions of them.
        canonical["validity"]["ends_at"] = ends_at[:19]
    unbound = form(terms=canonical)
    initial = {name: unbound.get_initial_for_field(field, name) for name, field in unbound.fields.items()}
    shown = {name: value for name, value in initial.items() if value is not None}
    bound = form(shown, terms=canonical, required=canonical)
    assert bound.is_valid(), bound.errors
    assert bound.terms == canonical


def test_a_moment_is_shown_by_the_programmes_clock_d_09() -> None:
    unbound = form(terms={"validity": {"ends_at": "2026-07-01T22:30:00+00:00"}}, kinds=["validity"])
    assert unbound["validity__ends_at"].initial == "2026-07-02T00:30"
    assert 'type="datetime-local"' in str(unbound["validity__ends_at"])
    assert 'type="date"' in str(form(kinds=["validity"])["validity__ends_at"])


def test_a_channel_that_is_set_but_not_offered_is_kept() -> None:
    terms = {"channels": {"channels": ["kiosk"]}}
    html = str(form(kinds=["channels"], terms=terms, channels=[("store", "Store")])["channels__channels"])
    assert 'value="kiosk"' in html
    assert 'value="store"' in html
    assert 'value="sms"' not in html


def test_sections_say_what_the_page_needs() -> None:
    sections = list(form(kinds=["redemption_limit", "benefit"], required=["benefit"]).sections)
    assert [(one.kind, one.label, one.is_required) for one in sections] == [
        ("benefit", "Benefit", True),
        ("redemption_limit", "Redemption limit", False),
    ]
    size, ceiling = sections[0].fields[1:]
    assert (size.field.required, str(size.field.unit), str(ceiling.field.unit)) == (True, "", "€")
    assert 'data-unit-of="benefit__type"' in str(size)
    assert 'data-unit-percent="%"' in str(size)
    assert not sections[1].fields[0].field.required
