"""The operators: which field takes which, how each is said, and what each is the complement of."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from offers.targeting.catalogue import FieldType

ORDERED = ("less", "less_or_equal", "greater", "greater_or_equal")

LABELS: Mapping[str, str | Promise] = {
    "equals": _("is"),
    "not_equals": _("is not"),
    "in": _("is one of"),
    "not_in": _("is none of"),
    "contains": _("contains"),
    "not_contains": _("does not contain"),
    "starts_with": _("starts with"),
    "less": _("is less than"),
    "less_or_equal": _("is at most"),
    "greater": _("is more than"),
    "greater_or_equal": _("is at least"),
    "between": _("is between"),
    "before": _("is before"),
    "after": _("is after"),
    "in_last_days": _("is in the last days"),
    "not_in_last_days": _("is not in the last days"),
    "exists": _("is known"),
    "not_exists": _("is not known"),
}

# Exact complements. A member without a value is "not equal", "none of", "not in the last days": every leaf is
# true or false of every member, never unknown, so that `not` always means the others.
COMPLEMENTS: Mapping[str, str] = {
    "not_equals": "equals",
    "not_in": "in",
    "not_contains": "contains",
    "not_in_last_days": "in_last_days",
    "not_exists": "exists",
}

WITHOUT_VALUE = frozenset({"exists", "not_exists"})
WITH_LIST = frozenset({"in", "not_in"})
WITH_DAYS = frozenset({"in_last_days", "not_in_last_days"})

_EXISTENCE = ("exists", "not_exists")
_DATES = ("before", "after", "between", "in_last_days", "not_in_last_days")

BY_TYPE: Mapping[FieldType, tuple[str, ...]] = {
    "text": ("equals", "not_equals", "in", "not_in", "contains", "not_contains", "starts_with", *_EXISTENCE),
    "choice": ("equals", "not_equals", "in", "not_in", *_EXISTENCE),
    "number": ("equals", "not_equals", *ORDERED, "between", "in", "not_in", *_EXISTENCE),
    "boolean": ("equals", "not_equals", *_EXISTENCE),
    "date": ("equals", "not_equals", *_DATES, *_EXISTENCE),
    "moment": ("equals", "not_equals", *_DATES, *_EXISTENCE),
    "list": ("contains", "not_contains", "in", "not_in", *_EXISTENCE),
}

# What is measured of each part of a member's history. Taken back assignments are as if they had never been.
MEASURES: Mapping[str, Mapping[str, str | Promise]] = {
    "purchases": {
        "count": _("Purchases"),
        "amount": _("Amount spent"),
        "units": _("Units bought"),
        "recency_days": _("Days since the last purchase"),
        "first": _("First purchase"),
        "last": _("Last purchase"),
    },
    "assignments": {
        "count": _("Offers given"),
        "open": _("Offers open now"),
        "accepted": _("Offers accepted"),
        "first": _("First offer given"),
        "last": _("Last offer given"),
    },
    "redemptions": {
        "count": _("Offers redeemed"),
        "benefit": _("Benefit received"),
        "first": _("First redemption"),
        "last": _("Last redemption"),
    },
}

_NUMBERS = ("equals", "not_equals", *ORDERED, "between")
# How many; nobody has less than none.
COUNTS = frozenset({"count", "open", "accepted"})
# Measures in minor units of the programme's currency.
MONEY = frozenset({"amount", "benefit"})
DAYS = frozenset({"first", "last"})
# Measures that are 0 for a member without any such event; the others are not known for her.
ZERO = COUNTS | MONEY | {"units"}


def by_measure(measure: str) -> tuple[str, ...]:
    """Return the operators that a measure takes."""
    if measure in DAYS:
        return _DATES
    return ("equals", *ORDERED, "between") if measure == "recency_days" else _NUMBERS


def smallest(measure: str, operator: str) -> int | None:
    """Return the least value that a condition on the measure may name; None where any will do."""
    if measure in COUNTS or measure == "recency_days":
        return 1 if operator == "less" else 0
    return None
