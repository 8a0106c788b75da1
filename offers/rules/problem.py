"""What is wrong with given terms: all at once, each with a stable code, its place, and what to do (B-02)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import ValidationError

from loyalty import storable
from loyalty.errors import InvalidInput
from offers.rules.rule import KINDS, Rule

Problem = dict[str, Any]

# pydantic's error types, as our stable codes.
CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "int_type": "not_a_whole_number",
    "greater_than_equal": "too_small",
    "less_than_equal": "too_large",
    "literal_error": "unknown_choice",
    "string_type": "not_text",
    "string_too_short": "empty_text",
    "string_too_long": "text_too_long",
    "string_pattern_mismatch": "not_a_code",
    "bool_type": "not_yes_or_no",
    "tuple_type": "not_a_list",
    "too_short": "empty_list",
    "too_long": "list_too_long",
    "model_type": "not_an_object",
    "not_a_moment": "not_a_moment",
    "not_an_id": "not_an_id",
}
# By our codes, what is wrong and what to do. A rule may say it better (`Rule.misfits`).
SENTENCES: dict[str, str | Promise] = {
    "missing": gettext_lazy("a value is missing. Give one."),
    "unknown_field": gettext_lazy("there is no such field. Use these only: %(fields)s."),
    "not_a_whole_number": gettext_lazy("%(value)s is not a whole number. Give one, such as 10."),
    "too_small": gettext_lazy("%(value)s is too small. Give at least %(limit)s."),
    "too_large": gettext_lazy("%(value)s is too large. Give at most %(limit)s."),
    "unknown_choice": gettext_lazy("%(value)s is not a choice. Use one of: %(choices)s."),
    "not_text": gettext_lazy("%(value)s is not text. Write it in quotes."),
    "empty_text": gettext_lazy("an entry is empty. Leave it out."),
    "text_too_long": gettext_lazy("%(value)s is too long. Use at most %(limit)s characters."),
    "not_a_code": gettext_lazy("%(value)s is not a code. Use small letters, digits, - and _."),
    "not_yes_or_no": gettext_lazy("%(value)s is neither true nor false. Give one of them."),
    "not_a_list": gettext_lazy("%(value)s is not a list. Give a list."),
    "empty_list": gettext_lazy("the list is empty. Name at least one."),
    "list_too_long": gettext_lazy("the list is too long. Name at most %(limit)s."),
    "not_an_object": gettext_lazy("%(value)s is not an object. Give these fields: %(fields)s."),
    "not_a_moment": gettext_lazy(
        "%(value)s is not a date. Write it as 2026-12-31 or 2026-12-31T18:00:00+01:00, in the years 1900 to 2999."
    ),
    "not_an_id": gettext_lazy("%(value)s is not an id. Leave out blanks around it and invisible characters."),
    "ends_before_start": gettext_lazy("it ends before it starts. Give a later end."),
    "over": gettext_lazy("%(value)s is over already. Give a later end."),
    "not_applicable": gettext_lazy("only a percentage or a fixed price has a ceiling. Leave it empty."),
    "only_for_coupons": gettext_lazy("only a coupon is of another offer. Leave it empty."),
    "not_on_receipts": gettext_lazy("an offer on the receipt's amount has thresholds. Leave the items out."),
    "only_on_receipts": gettext_lazy("only an offer on the receipt's amount has this. Leave it out."),
    "not_ascending": gettext_lazy(
        "%(value)s is not above the one before, %(limit)s. Give ascending, distinct amounts."
    ),
    "not_beside_personal": gettext_lazy("the personal terms say it for each member. Leave this rule out, or those."),
    "not_personal": gettext_lazy("it is set for each member by an import. No other door gives this offer."),
    "no_id": gettext_lazy("an id is missing. Give `external_id`, or `id` for an internal one."),
    "two_ids": gettext_lazy("both ids are given. Give either `external_id` or `id`."),
    "two_periods": gettext_lazy("the whole offer and single items have a period. Give either."),
    "wrong_mechanic": gettext_lazy("%(value)s is not what the offer is on. It is on: %(mechanic)s."),
    "twice": gettext_lazy("%(value)s is given already. Give it once."),
    "unknown_product": gettext_lazy("there is no product %(value)s. Give an id that is known."),
    "unknown_group": gettext_lazy("there is no product group %(value)s. Give an id that is known."),
    "unknown_category": gettext_lazy("there is no category %(value)s. Give an id that is known."),
    "unknown_offer": gettext_lazy("there is no offer %(value)s. Give an offer reference that is known."),
    "unknown_channel": gettext_lazy("there is no channel %(value)s. Use one of: %(choices)s."),
    "unknown_member": gettext_lazy("there is no member %(value)s."),
    "member_twice": gettext_lazy(
        "%(value)s stands in line %(first)s as well. Give each member once, her lines one below the other."
    ),
    "unreadable_beside": gettext_lazy("a line beside these cannot be read, and may be the same member's. Mend it."),
    "unknown_column": gettext_lazy("There is no column %(value)s. Use these only: %(fields)s."),
    "missing_column": gettext_lazy("The column %(value)s is missing."),
    "wrong_kind": gettext_lazy("%(value)s is not what the offer is on. Write: %(kind)s."),
    "differs": gettext_lazy("%(value)s differs from the member's first line, %(first)s. Give it once for all of them."),
    "missing_rule": gettext_lazy("the template asks for this rule. Give its values."),
    "unknown_rule": gettext_lazy("there is no such rule. Use these only: %(kinds)s."),
}
NOT_TERMS = gettext_lazy("%(value)s is not an object. Give an object keyed by rule.")


# An answer lists every problem up to here; a list of thousands of bad ids need not come back whole.
MOST = 200


class InvalidTerms(InvalidInput):
    """Terms that cannot be kept; `problems` has code, rule, field, message and value of each."""

    code = "invalid_terms"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(str(problem["message"]) for problem in problems[:5]), problems=problems[:MOST])


def of_rule(kind: str, code: str, value: Any = None, **parameters: Any) -> Problem:
    """Return a problem of a whole rule; `parameters` are what its sentence needs besides the value."""
    return of_field(kind, "", code, value, **parameters)


def of_field(kind: str, field: str, code: str, value: Any = None, *, text: str = "", **parameters: Any) -> Problem:
    """Return a problem of one field of a rule; `field` may name an entry, such as `products[3]`.

    `text` stands in for the code's own sentence.
    """
    seen = shown(value)
    message = placed(kind, field, text) if text else sentence(code, kind, field, seen, parameters)
    found = {"code": code, "rule": kind, "field": field, "message": message, "value": seen}
    return found | {"parameters": parameters} if parameters else found


def sentence(code: str, kind: str, field: str, value: Any, parameters: Mapping[str, Any]) -> str:
    """Say a problem in the active language: from these alone, so that it can be said anew whenever it is read."""
    rule = KINDS.get(kind)
    text = rule.misfits.get((field, code)) if rule else None
    if text is None and not kind and code == "not_an_object":
        text = NOT_TERMS
    # A type of pydantic's that is not in the table comes with its own sentence.
    text = text or SENTENCES.get(code, "%(text)s")
    words = {
        "text": code,
        "limit": "",
        "choices": ", ".join(choice for choice, _label in _choices(rule, field)) if rule else "",
        "fields": ", ".join(rule.model_fields) if rule else "",
        "kinds": ", ".join(KINDS),
    }
    return placed(kind, field, str(text) % (words | dict(parameters) | {"value": shown_text(value)}))


def placed(kind: str, field: str, text: str) -> str:
    """Put before a sentence which rule and field it is about."""
    if not kind:
        return text
    label = str(KINDS[kind].label) if kind in KINDS else kind
    name, bracket, place = field.partition("[")
    field_label = KINDS[kind].field_label(name) if kind in KINDS and name else label
    # "Products[3]" says it; "Products, Products[3]" says it twice.
    where = label if field_label == label else _("%(rule)s, %(field)s") % {"rule": label, "field": field_label}
    return _("%(where)s: %(text)s") % {"where": where + bracket + place, "text": text}


def missing(kind: str) -> Problem:
    """Return the problem of a rule that the template asks for and nobody gave (S0-07)."""
    return of_rule(kind, "missing_rule")


def unknown(kind: str) -> Problem:
    """Return the problem of a rule that does not exist."""
    return of_rule(kind, "unknown_rule")


def translated(rule: type[Rule], error: ValidationError, value: Any) -> Iterator[Problem]:
    """Yield our problems for what pydantic found in one rule's value."""
    everything = error.errors(include_url=False)
    for found in everything:
        context = found.get("ctx", {})
        if found["type"] == "too_short" and any(len(one["loc"]) > len(found["loc"]) for one in everything):
            # The entries that were given are named; that none is left is no problem of its own.
            continue
        if found["type"] == "misfits":
            for field, code, parameters in context["misfits"]:
                yield of_field(rule.kind, below(found["loc"], field), code, at(found["input"], field), **parameters)
            continue
        # A type that is not in the table still gets a stable code and pydantic's own sentence.
        code = CODES.get(found["type"], found["type"])
        limit = context.get("ge", context.get("le", context.get("max_length")))
        parameters = {} if limit is None else {"limit": limit}
        if found["type"] not in CODES:
            parameters["text"] = found["msg"]
        if code == "unknown_choice" and len(found["loc"]) > 1:
            # Of something inside the rule: its fields do not know.
            parameters["choices"] = context["expected"].replace("'", "").replace(" or ", ", ")
        given = None if code == "missing" else found["input"]
        yield of_field(rule.kind, place(found["loc"]), code, given, **parameters)


def _choices(rule: type[Rule], field: str) -> tuple[tuple[str, Any], ...]:
    name = field.partition("[")[0]
    return next((one.choices for one in rule.fields() if one.name == name), ())


def below(location: tuple[int | str, ...], field: str) -> str:
    """Write the place of a field of what stands at the location."""
    above = place(location)
    return f"{above}.{field}" if above else field


def at(value: Any, place: str) -> Any:
    """Return what was given at a place such as `thresholds[1].size`, or None."""
    for step in re.findall(r"[^.\[\]]+", place):
        try:
            value = value[int(step) if isinstance(value, list | tuple) else step]
        except (LookupError, TypeError, ValueError):
            return None
    return value


def place(location: tuple[int | str, ...]) -> str:
    """Write a location for people and machines: `products[3]`, `items[3].benefit.size`; the whole rule has none."""
    if not location:
        return ""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location[1:])
    return str(location[0]) + "".join(steps)


def shown(value: Any) -> Any:
    """Return the value as an answer may repeat it: plain JSON, and not by the megabyte.

    A whole number beyond 64 bit is repeated as text: no answer and no row can hold it as a number.
    """
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, int) and storable.LEAST <= value <= storable.MOST:
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 100 else text[:99] + "…"


def shown_text(value: Any) -> str:
    """Write the value inside a sentence."""
    return "null" if value is None else f"“{shown(value)}”"
