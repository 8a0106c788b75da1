"""Values per member as SQL beside `loyalty_member AS member`: for the dry run, and for freezing them (S1-01, S1-05).

Relations follow the member: her entries of lists; `raw` has what her attributes or entries say, `numbers` the numbers
written in lists, `checked` what the bounds leave of it (null: she is refused), `settled` her period and what she can
cost. Names come from the rules; everything else is a parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from offers.rules import moment, redemption_limit
from offers.rules.validity import MOST_DAYS
from offers.services.member_value import MemberValues, Varying
from offers.targeting import formula

# Ids as the rules take them, of the letters that tills use: no blanks around, nothing invisible.
AN_ID = r"^[!-~\u00a1-\u00ac\u00ae-\u024f]([ -~\u00a1-\u00ac\u00ae-\u024f]*[!-~\u00a1-\u00ac\u00ae-\u024f])?$"
LONGEST_ID = 200
MOST_IDS = 2_000
# Around and within what people type: blanks, tabs, line breaks, and the blanks that do not break.
BLANKS = " \t\r\n\u00a0\u202f"
# A number as people write it in a list: 12.5 or 12,5, and with both marks 1,234.5 or 1.234,5. One mark before exactly
# three digits may mean either (1,234), so it is not read at all.
PLAIN = r"^[+-]?[0-9]{1,12}([.,][0-9]{1,12})?$"
EITHER = r"^[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}$"
POINTED = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3}){1,3}\.[0-9]{1,12}$"
COMMAED = r"^[+-]?[1-9][0-9]{0,2}(\.[0-9]{3}){1,3},[0-9]{1,12}$"


@dataclass(frozen=True)
class Compiled:
    """What `audience.question` adds to its statement: relations, reasons, columns and parameters.

    `counted` are columns for counting, `frozen` the columns `given` (what her assignment will carry) and `shown` (what
    her attributes say, for who is refused).
    """

    joins: str
    reasons: str
    counted: str
    frozen: str
    params: Mapping[str, Any]


@dataclass
class _Writer:
    values: MemberValues
    effective: Mapping[str, Any]
    params: dict[str, Any] = field(default_factory=dict)
    # The relations of the lists that are read, by the lists' ids.
    entries: dict[int, str] = field(default_factory=dict)

    def parameter(self, value: Any, cast: str) -> str:
        name = f"value_{len(self.params)}"
        self.params[name] = value
        return f"%({name})s::{cast}"

    def place(self, key: str) -> int | None:
        """Return which of the values this one is, or None where it is the same for all."""
        return next((n for n, one in enumerate(self.values.varying) if one.key == key), None)

    def value(self, rule: str, name: str, cast: str, default: Any = None) -> str:
        """Return the expression of a field: her own value, or everybody's."""
        place = self.place(f"{rule}.{name}")
        if place is not None:
            return f"checked.value_{place}"
        return self.parameter((self.effective.get(rule) or {}).get(name, default), cast)

    def raw(self, one: Varying) -> str:
        if one.member_list is not None:
            return self.listed(one, one.member_list)
        if one.formula:
            return formula.sql(one.formula, column=self.number, parameter=self.parameter)
        name = self.parameter(one.attribute, "text")
        if one.field.type == "list":
            given = f"member.attributes -> {name}"
            if one.attribute_type == "text":
                given = f"nullif(jsonb_build_array(member.attributes -> {name}), '[null]')"
            return f"nullif({given}, '[]')"
        return f"nullif(member.attributes ->> {name}, '')"

    def listed(self, one: Varying, member_list: int) -> str:
        """Return what stands in a column of a list: a text, or ids as an array; nothing where it is empty."""
        entry = self.entries.setdefault(member_list, f"entry_{len(self.entries)}")
        said = f'{entry}."values" -> {self.parameter(one.column, "text")}'
        text = f"nullif(btrim({said.replace('->', '->>')}, {self.parameter(BLANKS, 'text')}), '')"
        if one.field.type == "choice":
            return f"lower({text})"
        if one.field.type == "moment":
            # A day out of a spreadsheet may carry its midnight.
            return f"regexp_replace({text}, '[T ]00:00(:00)?$', '')"
        if one.field.type != "list":
            return text
        parted = rf"to_jsonb(array_remove(regexp_split_to_array({text}, '\s*[|;]\s*'), ''))"
        return f"nullif(CASE WHEN jsonb_typeof({said}) = 'array' THEN {said} ELSE {parted} END, '[]')"

    def written(self, n: int) -> str:
        """Return the number that a text of a list is; null where it is none, or may be two."""
        plain, either, pointed, commaed = (self.parameter(one, "text") for one in (PLAIN, EITHER, POINTED, COMMAED))
        text = f"raw.value_{n}"
        return (
            f"CASE WHEN {text} ~ {plain} AND {text} !~ {either} THEN replace({text}, ',', '.')::numeric"
            f" WHEN {text} ~ {pointed} THEN replace({text}, ',', '')::numeric"
            f" WHEN {text} ~ {commaed} THEN replace(replace({text}, '.', ''), ',', '.')::numeric END"
        )

    def joined(self) -> str:
        """Return the relations of the lists that `raw` reads."""
        return "".join(
            f"\n      LEFT JOIN offers_memberlistentry AS {entry}"
            f" ON {entry}.member_list_id = {self.parameter(pk, 'bigint')} AND {entry}.member_id = member.id"
            for pk, entry in self.entries.items()
        )

    def number(self, name: str) -> str:
        """Return a numeric attribute; what is no number is missing."""
        key = self.parameter(name, "text")
        return (
            f"CASE WHEN jsonb_typeof(member.attributes -> {key}) = 'number'"
            f" THEN (member.attributes ->> {key})::numeric END"
        )

    def units(self, one: Varying) -> str:
        kinds = self.place(f"{one.rule}.{one.field.unit_of}") if one.field.unit_of else None
        if kinds is None:
            return self.parameter(str(self.values.units(one, None)), "numeric")
        whens = ""
        for choice in one.field.units:
            units = self.parameter(str(self.values.units(one, choice)), "numeric")
            whens += f" WHEN {self.parameter(choice, 'text')} THEN {units}"
        return f"CASE {self.checked(self.values.varying[kinds], kinds)}{whens} END"

    def read(self, one: Varying, n: int) -> str:
        """Return the column of what is given, read as a number where it is one."""
        return f"numbers.value_{n}" if one.is_number and one.member_list is not None else f"raw.value_{n}"

    def is_rounded(self, one: Varying, n: int) -> str:
        """Return whether her number in a list is given otherwise than written there; nobody writes a formula's."""
        if one.member_list is None:
            return "false"
        written = f"{self.read(one, n)} * {self.units(one)}"
        return f"checked.value_{n} = round({written}) AND round({written}) <> {written}"

    def checked(self, one: Varying, n: int) -> str:
        raw = self.read(one, n)
        if one.is_number:
            units = self.units(one)
            low, high = (self.parameter(str(bound), "numeric") for bound in (one.minimum, one.maximum))
            default = self.parameter(None if one.default is None else str(one.default), "numeric")
            whole = f"round({raw} * {units})"
            return (
                f"CASE WHEN {whole} BETWEEN round({low} * {units}) AND round({high} * {units}) THEN {whole}::bigint"
                f" ELSE round({default} * {units})::bigint END"
            )
        default = self.parameter(one.default, "text")
        if one.field.type == "choice":
            choices = self.parameter([choice for choice, _label in one.field.choices], "text[]")
            return f"CASE WHEN {raw} = ANY({choices}) THEN {raw} ELSE {default} END"
        if one.field.type == "moment":
            return f"CASE WHEN {raw} = ANY(%(calendar_days)s::text[]) THEN {raw} ELSE {default} END"
        ids, pattern = f"jsonb_array_elements_text({raw})", self.parameter(AN_ID, "text")
        return (
            f"CASE WHEN jsonb_typeof({raw}) = 'array' AND jsonb_array_length({raw}) <= {MOST_IDS}"
            f" AND NOT EXISTS (SELECT FROM {ids} AS one (id)"
            f" WHERE one.id IS NULL OR one.id !~ {pattern} OR char_length(one.id) > {LONGEST_ID})"
            f" THEN {raw} END"
        )


def compiled(
    *,
    values: MemberValues,
    terms: Mapping[str, Any],
    effective: Mapping[str, Any],
    zone: ZoneInfo,
    now: datetime,
) -> Compiled:
    """Return the SQL of these values; `terms` are the run's fixed ones, `effective` those with the offer's own."""
    writer = _Writer(values, {**effective, **values.fixed})
    numbered = list(enumerate(values.varying))
    raws = ", ".join(f"({writer.raw(one)}) AS value_{n}" for n, one in numbered)
    written = ", ".join(f"({writer.written(n)}) AS value_{n}" for n, one in numbered if one.is_number and one.column)
    numbers = f"\n     CROSS JOIN LATERAL (SELECT {written} OFFSET 0) AS numbers" if written else ""
    checks = ", ".join(f"({writer.checked(one, n)}) AS value_{n}" for n, one in numbered)
    starts, ends, calendar = _period(writer, zone, now)
    # OFFSET 0 keeps each expression a column: flattened, it is worked out again wherever it is named.
    joins = f"""{writer.joined()}
     CROSS JOIN LATERAL (SELECT {raws} OFFSET 0) AS raw{numbers}
     CROSS JOIN LATERAL (SELECT {checks} OFFSET 0) AS checked{calendar}
     CROSS JOIN LATERAL (
            SELECT {starts} AS starts_at, {ends} AS ends_at, {_exposure(writer)} AS exposure_minor OFFSET 0
           ) AS settled"""
    reasons = "".join(
        f" WHEN checked.value_{n} IS NULL"
        f" THEN CASE WHEN raw.value_{n} IS NULL THEN 'missing_rule:{one.key}' ELSE 'invalid_value:{one.key}' END"
        for n, one in numbered
    )
    if calendar:
        reasons += " WHEN settled.ends_at <= settled.starts_at THEN 'invalid_value:validity.ends_at'"
    counted = "".join(
        f", checked.value_{n}, ({writer.is_rounded(one, n)}) AS is_rounded_{n}" for n, one in numbered if one.is_number
    )
    counted += ", settled.exposure_minor"
    return Compiled(joins, reasons, counted, _frozen(writer, terms, bool(calendar)), writer.params)


def _period(writer: _Writer, zone: ZoneInfo, now: datetime) -> tuple[str, str, str]:
    """Return her start and end, and the relations they are looked up in; nothing where the period is everybody's.

    The days of the zone's calendar come from Python, which knows its clock changes as the rules do (D-09).
    """
    if not any(one.rule == "validity" for one in writer.values.varying):
        return "NULL::timestamptz", "NULL::timestamptz", ""
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=n) for n in range(MOST_DAYS + 1)]
    writer.params |= {
        "calendar_days": [day.isoformat() for day in days],
        "calendar_starts": [moment.first_of(day, zone) for day in days],
        "calendar_ends": [moment.after(day, zone) for day in days],
    }
    if writer.place("validity.days") is None and "days" not in (writer.effective.get("validity") or {}):
        return _dates(writer, zone)
    first, last = writer.value("validity", "start_in_days", "int", 0), writer.value("validity", "days", "int")
    joins = _calendar("first", f"first.n = {first}") + _calendar("last", f"last.n = {last}")
    return f"CASE WHEN {first} > 0 THEN first.starts_at ELSE %(now)s::timestamptz END", "last.ends_at", joins


def _dates(writer: _Writer, zone: ZoneInfo) -> tuple[str, str, str]:
    fixed = writer.effective.get("validity") or {}
    found = {"starts_at": "%(now)s::timestamptz", "ends_at": "NULL::timestamptz"}
    joins = ""
    for name, word, side in (("starts_at", "first", moment.begin), ("ends_at", "last", moment.end)):
        place = writer.place(f"validity.{name}")
        if place is not None:
            joins += _calendar(word, f"{word}.day = checked.value_{place}")
            found[name] = f"{word}.{name}"
        elif fixed.get(name):
            found[name] = writer.parameter(side(moment.read(fixed[name]), zone), "timestamptz")
    return found["starts_at"], found["ends_at"], joins


def _calendar(name: str, condition: str) -> str:
    return f"""
      LEFT JOIN (
            SELECT number - 1 AS n, day, starts_at, ends_at
              FROM unnest(%(calendar_days)s::text[], %(calendar_starts)s::timestamptz[],
                          %(calendar_ends)s::timestamptz[]) WITH ORDINALITY AS day (day, starts_at, ends_at, number)
           ) AS {name} ON {condition}"""


def _exposure(writer: _Writer) -> str:
    """Return what she can cost at most, as `Benefit.worst_case` says it."""
    if "benefit" not in writer.effective and writer.place("benefit.size") is None:
        return "0::bigint"
    kind, size = writer.value("benefit", "type", "text"), writer.value("benefit", "size", "bigint")
    ceiling = writer.value("benefit", "maximum_minor", "bigint")
    uses = writer.value("redemption_limit", "limit", "bigint", redemption_limit.DEFAULT)
    return f"CASE WHEN {kind} = 'amount' THEN {size} ELSE coalesce({ceiling}, 0) END * {uses}"


def _frozen(writer: _Writer, terms: Mapping[str, Any], has_period: bool) -> str:
    """Return what is written down of a member: what her assignment carries, and what her attributes say."""
    own: dict[str, list[str]] = {}
    for n, one in enumerate(writer.values.varying):
        own.setdefault(one.rule, []).append(f"'{one.field.name}', checked.value_{n}")
    parts = [writer.parameter(orjson.dumps(dict(terms)).decode(), "jsonb")]
    for rule, pairs in own.items():
        fixed = writer.parameter(orjson.dumps(dict(writer.values.fixed.get(rule, {}))).decode(), "jsonb")
        parts.append(f"jsonb_build_object('{rule}', {fixed} || jsonb_build_object({', '.join(pairs)}))")
    period = ", 'starts_at', settled.starts_at, 'ends_at', settled.ends_at" if has_period else ""
    shown = ", ".join(f"'{one.key}', raw.value_{n}" for n, one in enumerate(writer.values.varying))
    given = f"'terms', {' || '.join(parts)}, 'exposure_minor', settled.exposure_minor{period}"
    return f", jsonb_build_object({given}) AS given, jsonb_build_object({shown}) AS shown"
