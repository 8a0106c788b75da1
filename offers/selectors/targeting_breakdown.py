"""Of whom an audience is made: its members counted by one field, such as city, tier or an attribute (issue 4)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _

from loyalty.database import rows
from loyalty.errors import InvalidInput
from loyalty.models import Programme
from offers.selectors import targeting as selector
from offers.targeting import Column, ConsentTo, Criteria, Field, ReachableOn, consent
from offers.targeting.compiler import Compiler

# More values than this are put together as “others”.
MOST_PARTS = 12
# What a number or a date falls into: so many steps between the least and the greatest.
STEPS = 8
# Members are not told apart by what names one of them.
PERSONAL = ("member.external_id", "member.email", "member.phone")


@dataclass(frozen=True)
class Part:
    """One value (or step of values) in words, how many of the audience have it, and their share of it (0 to 1)."""

    label: str
    count: int
    share: float
    # "value", "others" or "unknown".
    kind: str = "value"


@dataclass(frozen=True)
class Breakdown:
    """An audience by one field. A list counts a member once for each of its values: the parts may exceed the whole."""

    field: Field
    count: int
    parts: list[Part]


def fields(programme: Programme) -> list[Field]:
    """Return the fields that an audience can be broken down by."""
    return [one for key, one in selector.catalogue(programme).fields.items() if key not in PERSONAL]


def breakdown(criteria: Any, *, programme: Programme, key: str, now: datetime) -> Breakdown:
    """Count the members meant by the values of one field: one statement besides the reading.

    Texts, choices and yes/no by value, the most frequent first; numbers and days by steps in order; members without a
    value last. Raises InvalidInput for a field that is not known, targeting.InvalidCriteria for a broken tree.
    """
    checked = selector.read(criteria, programme=programme)
    field = next((one for one in fields(programme) if one.key == key), None)
    if field is None:
        message = _("There is no field “%(key)s” to break the audience down by. Choose one of the list.") % {"key": key}
        raise InvalidInput(message, problems=[{"code": "unknown_field", "field": "by", "message": message}])
    found = _counted(checked, programme, field, now)
    whole = next(row["n"] for row in found if row["kind"] == "all")
    parts = [
        Part(_label(row, field, programme), row["n"], row["n"] / whole if whole else 0.0, row["kind"])
        for row in found
        if row["kind"] != "all" and row["n"]
    ]
    return Breakdown(field, whole, parts)


def _counted(checked: Criteria, programme: Programme, field: Field, now: datetime) -> list[dict[str, Any]]:
    predicate = selector.where(programme=programme, criteria=checked, now=now)
    state = Compiler(programme_id=programme.pk, now=now, zone=programme.zone, params=dict(predicate.params))
    value = _value(field, state)
    is_ordered = field.type in ("number", "date", "moment")
    sql = f"""
        WITH meant AS MATERIALIZED (
            SELECT member.id, {value} AS value FROM loyalty_member AS member WHERE {predicate.sql}
        ), {_STEPS if is_ordered else _VALUES.format(values=_values(field))}
    """
    params = state.params | {
        "breakdown_name": getattr(field.source, "name", ""),
        "breakdown_zone": programme.timezone,
        "breakdown_most": MOST_PARTS,
        "breakdown_steps": STEPS,
    }
    with selector.planned(checked):
        return rows(sql, params)


# Numbers, and days as their numbers since 1970, fall into equal steps between the least and the greatest; where there
# are few of them, each is a step of its own.
_STEPS = """
    bounds AS (SELECT min(value) AS low, max(value) AS high, count(DISTINCT value) AS kinds FROM meant),
    placed AS (
        SELECT CASE WHEN value IS NULL THEN NULL
                    WHEN kinds <= %(breakdown_most)s THEN NULL
                    ELSE least(width_bucket(value, low, high, %(breakdown_steps)s), %(breakdown_steps)s) END AS step,
               value
          FROM meant, bounds
    )
    SELECT 'all' AS kind, NULL::numeric AS low, NULL::numeric AS high, count(*) AS n FROM meant
    UNION ALL
    (SELECT 'value', min(value), max(value), count(*) FROM placed WHERE value IS NOT NULL
      GROUP BY step, CASE WHEN step IS NULL THEN value END ORDER BY min(value))
    UNION ALL
    SELECT 'unknown', NULL, NULL, count(*) FROM placed WHERE value IS NULL
"""
# The second of the three is by number, so that the order of equal counts is always the same.
_VALUES = """
    counted AS (
        SELECT one.value, count(*) AS n, row_number() OVER (ORDER BY count(*) DESC, one.value COLLATE "C") AS place
          FROM meant, {values} AS one (value)
         WHERE one.value IS NOT NULL AND one.value <> '' GROUP BY one.value
    )
    SELECT 'all' AS kind, NULL AS value, (SELECT count(*) FROM meant) AS n, 0::bigint AS place
    UNION ALL
    (SELECT 'value', value, n, place FROM counted WHERE place <= %(breakdown_most)s ORDER BY place)
    UNION ALL
    SELECT 'others', count(*)::text, coalesce(sum(n), 0)::bigint, 0 FROM counted WHERE place > %(breakdown_most)s
    UNION ALL
    SELECT 'unknown', NULL, count(*), 0 FROM meant
     WHERE NOT EXISTS (SELECT FROM {values} AS one (value) WHERE one.value IS NOT NULL AND one.value <> '')
"""


def _value(field: Field, state: Compiler) -> str:
    """Return the member's value as text or JSON to be counted, as a number for what has an order."""
    source = field.source
    if isinstance(source, ConsentTo | ReachableOn):
        return f"({consent.value(source, state)})::text"
    if isinstance(source, Column):
        column = f"member.{source.name}"
        return {
            "date": f"({column} - DATE '1970-01-01')::numeric",
            "moment": f"(({column} AT TIME ZONE %(breakdown_zone)s)::date - DATE '1970-01-01')::numeric",
            "number": f"{column}::numeric",
        }.get(field.type, f"{column}::text")
    raw = "(member.attributes -> %(breakdown_name)s)"
    text = "(member.attributes ->> %(breakdown_name)s)"
    # A value that is not of the declared type is as if it were not there, as everywhere in criteria.
    return {
        "number": f"CASE WHEN jsonb_typeof({raw}) = 'number' THEN {raw}::numeric END",
        "date": (
            f"CASE WHEN pg_input_is_valid({text}, 'date') AND {text} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$'"
            f" THEN ({text}::date - DATE '1970-01-01')::numeric END"
        ),
        "boolean": f"CASE WHEN jsonb_typeof({raw}) = 'boolean' THEN {text} END",
        "list": f"CASE WHEN jsonb_typeof({raw}) = 'array' THEN {raw} END",
    }.get(field.type, f"CASE WHEN jsonb_typeof({raw}) = 'string' THEN {text} END")


def _values(field: Field) -> str:
    return (
        "LATERAL (SELECT DISTINCT jsonb_array_elements_text(coalesce(value, '[]')))"
        if field.type == "list"
        else "LATERAL (SELECT value)"
    )


def _label(row: dict[str, Any], field: Field, programme: Programme) -> str:
    if row["kind"] == "unknown":
        return _("not known")
    if row["kind"] == "others":
        return _("%(count)s others") % {"count": formats.number_format(int(row["value"]))}
    if field.type in ("number", "date", "moment"):
        low, high = (_said(row[end], field) for end in ("low", "high"))
        return low if low == high else _("%(low)s to %(high)s") % {"low": low, "high": high}
    if field.type == "boolean":
        return _("yes") if row["value"] == "true" else _("no")
    return str(dict(field.choices).get(row["value"], row["value"]))


def _said(value: Any, field: Field) -> str:
    if field.type == "number":
        return formats.number_format(value.normalize() if value % 1 else int(value))
    return formats.date_format(date.fromordinal(date(1970, 1, 1).toordinal() + int(value)), "DATE_FORMAT")
