"""What is wrong with given terms: all at once, each with a stable code, its place, and what to do (B-02)."""

from collections.abc import Iterator
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import ValidationError

from loyalty.errors import InvalidInput
from offers.rules.rule import KINDS, Rule

Problem = dict[str, Any]

# pydantic's error types, as our stable codes with their sentences.
CODES: dict[str, tuple[str, str | Promise]] = {
    "missing": ("missing", gettext_lazy("a value is missing. Give one.")),
    "extra_forbidden": ("unknown_field", gettext_lazy("there is no such field. Use these only: %(fields)s.")),
    "int_type": (
        "not_a_whole_number",
        gettext_lazy("%(value)s is not a whole number. Give one, such as 10."),
    ),
    "greater_than_equal": ("too_small", gettext_lazy("%(value)s is too small. Give at least %(limit)s.")),
    "less_than_equal": ("too_large", gettext_lazy("%(value)s is too large. Give at most %(limit)s.")),
    "literal_error": ("unknown_choice", gettext_lazy("%(value)s is not a choice. Use one of: %(choices)s.")),
    "string_type": ("not_text", gettext_lazy("%(value)s is not text. Write it in quotes.")),
    "string_too_short": ("empty_text", gettext_lazy("an entry is empty. Leave it out.")),
    "string_too_long": (
        "text_too_long",
        gettext_lazy("%(value)s is too long. Use at most %(limit)s characters."),
    ),
    "string_pattern_mismatch": (
        "not_a_code",
        gettext_lazy("%(value)s is not a code. Use small letters, digits, - and _."),
    ),
    "bool_type": ("not_yes_or_no", gettext_lazy("%(value)s is neither true nor false. Give one of them.")),
    "tuple_type": ("not_a_list", gettext_lazy("%(value)s is not a list. Give a list.")),
    "too_short": ("empty_list", gettext_lazy("the list is empty. Name at least one.")),
    "too_long": ("list_too_long", gettext_lazy("the list is too long. Name at most %(limit)s.")),
    "model_type": (
        "not_an_object",
        gettext_lazy("%(value)s is not an object. Give these fields: %(fields)s."),
    ),
    "not_a_moment": (
        "not_a_moment",
        gettext_lazy("%(value)s is not a date. Write it as 2026-12-31 or 2026-12-31T18:00:00+01:00."),
    ),
    "not_an_id": (
        "not_an_id",
        gettext_lazy("%(value)s is not an id. Leave out blanks around it and invisible characters."),
    ),
}


# An answer lists every problem up to here; a list of thousands of bad ids need not come back whole.
MOST = 200


class InvalidTerms(InvalidInput):
    """Terms that cannot be kept; `problems` has code, rule, field, message and value of each."""

    code = "invalid_terms"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(str(problem["message"]) for problem in problems[:5]), problems=problems[:MOST])


def of_rule(kind: str, code: str, text: str, value: Any = None) -> Problem:
    """Return a problem of a whole rule."""
    label = str(KINDS[kind].label) if kind in KINDS else kind
    message = _("%(rule)s: %(text)s") % {"rule": label, "text": text}
    return {"code": code, "rule": kind, "field": "", "message": message, "value": shown(value)}


def of_field(kind: str, field: str, code: str, text: str, value: Any = None) -> Problem:
    """Return a problem of one field of a rule; `field` may name an entry, such as `products[3]`."""
    label = str(KINDS[kind].label)
    name, bracket, place = field.partition("[")
    field_label = KINDS[kind].field_label(name)
    # "Products[3]" says it; "Products, Products[3]" says it twice.
    where = label if field_label == label else _("%(rule)s, %(field)s") % {"rule": label, "field": field_label}
    message = _("%(where)s: %(text)s") % {"where": where + bracket + place, "text": text}
    return {"code": code, "rule": kind, "field": field, "message": message, "value": shown(value)}


def missing(kind: str) -> Problem:
    """Return the problem of a rule that the template asks for and nobody gave (S0-07)."""
    return of_rule(kind, "missing_rule", _("the template asks for this rule. Give its values."))


def unknown(kind: str) -> Problem:
    """Return the problem of a rule that does not exist."""
    text = _("there is no such rule. Use these only: %(kinds)s.") % {"kinds": ", ".join(KINDS)}
    return of_rule(kind, "unknown_rule", text)


def translated(rule: type[Rule], error: ValidationError, value: Any) -> Iterator[Problem]:
    """Yield our problems for what pydantic found in one rule's value."""
    everything = error.errors(include_url=False)
    for found in everything:
        context = found.get("ctx", {})
        if found["type"] == "too_short" and any(len(one["loc"]) > len(found["loc"]) for one in everything):
            # The entries that were given are named; that none is left is no problem of its own.
            continue
        if found["type"] == "misfits":
            for field, code, text in context["misfits"]:
                given = value.get(field) if isinstance(value, dict) else None
                yield of_field(rule.kind, field, code, text, given)
            continue
        # A type that is not in the table still gets a stable code and pydantic's own sentence.
        code, sentence = CODES.get(found["type"], (found["type"], found["msg"]))
        text = (
            str(sentence)
            % {
                "value": shown_text(found["input"]),
                "limit": context.get("ge", context.get("le", context.get("max_length", ""))),
                "choices": ", ".join(choice for choice, _label in _choices(rule, found["loc"])),
                "fields": ", ".join(rule.model_fields),
            }
            if found["type"] in CODES
            else str(sentence)
        )
        given = None if code == "missing" else found["input"]
        if not found["loc"]:
            yield of_rule(rule.kind, code, text, given)
        else:
            yield of_field(rule.kind, _place(found["loc"]), code, text, given)


def _choices(rule: type[Rule], location: tuple[int | str, ...]) -> tuple[tuple[str, Any], ...]:
    return next((one.choices for one in rule.fields() if location and one.name == location[0]), ())


def _place(location: tuple[int | str, ...]) -> str:
    """Write a location for people and machines: `products[3]`."""
    return str(location[0]) + "".join(f"[{step}]" for step in location[1:] if isinstance(step, int))


def shown(value: Any) -> Any:
    """Return the value as an answer may repeat it: plain JSON, and not by the megabyte."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 100 else text[:99] + "…"


def shown_text(value: Any) -> str:
    """Write the value inside a sentence."""
    return "null" if value is None else f"“{shown(value)}”"
