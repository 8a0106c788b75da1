"""What the columns of a file of members mean: for each, what is wrong with a cell and what it becomes, as SQL.

A cell is NULL where a line does not name the field, which leaves the field as it is, and empty where it empties the
field. Expressions speak of `given` (the staging table) and `held` (the member that is there already, or nothing).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loyalty import years
from loyalty.models import AttributeDefinition, Channel, ValueType
from loyalty.services import attribute
from loyalty.services.member import KINDS, STATUSES, TEXTS
from loyalty.tables import Staging

if TYPE_CHECKING:
    from loyalty.services.member_proof import Proof

# Lines of SQL are executed with parameters: a percent sign stands twice.
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
MOMENT = DAY[:-1] + r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$"
OFFSET = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
DIGITS, DECIMALS = 18, 15
NUMBER = rf"^-?[0-9]{{1,{DIGITS}}}(\.[0-9]{{1,{DECIMALS}}})?$"
# Numbers that are too much of one, also as spreadsheets write them: 1E+20.
TOO_LARGE = (
    rf"^-?(0*[1-9][0-9]{{{DIGITS},}}(\.[0-9]+)?"
    rf"|[1-9](\.[0-9]+)?[eE][+]?0*(1[89]|[2-9][0-9]|[1-9][0-9]{{2,}}))$"
)
TOO_EXACT = rf"^-?[0-9]{{1,{DIGITS}}}\.[0-9]{{{DECIMALS + 1},}}$"
# Those that Django's own check takes, and not all: what is unlike them is read in Python.
PLAIN_EMAIL = r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9]+(-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,63}$"
# Labels of a domain have 63 characters at most, and so has all of such an address.
PLAIN_LENGTH = 64
LANGUAGE, COUNTRY = r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$", r"^[A-Z]{2}$"
# A function of PostgreSQL takes a hundred arguments.
MOST_PAIRS = 50
YES, NO = ("true", "yes", "1"), ("false", "no", "0")
TEXTS_OF_FIELDS = {**TEXTS, "email": 254, "phone": 40, "language": 8, "country": 2, "timezone": 64}
CHOICES = {"status": STATUSES, "kind": KINDS}
FIELDS = ("external_id", *TEXTS_OF_FIELDS, "birth_date", "joined_at", *CHOICES)


@dataclass(frozen=True)
class Check:
    """What is wrong with a cell when `sql` is true; `needed` says what would be right."""

    field: str
    code: str
    sql: str
    value: str
    needed: str = ""


@dataclass(frozen=True)
class Read:
    """What the columns of one file mean. `unknown` are those that mean nothing; they refuse the file."""

    # Typed expressions by the member's column, all of them NULL where the line does not name it.
    fields: dict[str, str]
    # JSON by the attribute's name; NULL where it is not named, and where it is emptied.
    attributes: dict[str, str]
    # By the attribute's name, whether the cell empties it.
    emptied: dict[str, str]
    # Booleans by the channel's id.
    consents: dict[int, str]
    checks: list[Check]
    unknown: list[str]
    # Columns of which reading showed that no check finds anything.
    proven: frozenset[str] = frozenset()


def read(
    staging: Staging,
    *,
    definitions: Mapping[str, AttributeDefinition],
    channels: Mapping[str, Channel],
    proven: Collection[str] = (),
) -> Read:
    """Say what the file's columns mean. Those that are `proven` clean by `proof_of` need no check.

    A column is a field of the member, an attribute (`attributes.<name>`, or its plain name), or `consent.<channel>`.
    """
    found = Read({}, {}, {}, {}, [], [])
    seen: dict[str, str] = {}
    for name in staging.names:
        target = _target(name, definitions, channels)
        if target is None or target in seen:
            found.unknown.append(name)
            continue
        seen[target] = name
        kind, _dot, key = target.partition(".")
        if kind == "attributes":
            _attribute(found, staging, name, definitions[key])
        elif kind == "consent":
            _consent(found, staging, name, channels[key])
        else:
            _field(found, staging, name, key)
    return replace(
        found, proven=frozenset(proven), checks=[check for check in found.checks if check.field not in proven]
    )


def _target(name: str, definitions: Mapping[str, AttributeDefinition], channels: Mapping[str, Channel]) -> str | None:
    kind, _dot, key = name.partition(".")
    if name in FIELDS:
        return f"member.{name}"
    if kind == "attributes" and key in definitions:
        return name
    if kind == "consent" and key in channels:
        return name
    return f"attributes.{name}" if name in definitions else None


def proof_of(
    name: str, definitions: Mapping[str, AttributeDefinition], channels: Mapping[str, Channel]
) -> "Proof | None":
    """Return what shows, while the file is read, that each of the column's cells passes all its checks."""
    # It brings Arrow, which only who reads a table loads.
    from loyalty.services import member_proof

    kind, _dot, key = (_target(name, definitions, channels) or "").partition(".")
    if kind == "member":
        return _proof_of_field(key)
    if kind != "attributes":
        return None
    definition = definitions[key]
    match definition.type:
        case ValueType.NUMBER:
            return member_proof.matches(NUMBER)
        case ValueType.DATE:
            return member_proof.is_day
        case ValueType.TEXT if not definition.choices:
            return member_proof.is_short(attribute.LONGEST)
    return None


def _proof_of_field(key: str) -> "Proof | None":
    from loyalty.services import member_proof

    if key == "birth_date":
        return member_proof.is_day
    if key == "joined_at":
        return member_proof.is_moment
    if key not in TEXTS_OF_FIELDS or key == "timezone":
        return None
    is_short = member_proof.is_short(
        min(TEXTS_OF_FIELDS[key], PLAIN_LENGTH) if key == "email" else TEXTS_OF_FIELDS[key]
    )
    pattern = {"email": PLAIN_EMAIL, "language": LANGUAGE, "country": COUNTRY}.get(key)
    return member_proof.both(is_short, member_proof.matches(pattern)) if pattern else is_short


def _text(staging: Staging, name: str) -> str:
    column = staging.text(name)
    return f"given.{column}" if column else "NULL::text"


def _nested(found: Read, staging: Staging, name: str) -> None:
    """Refuse lists and objects where a text belongs."""
    if column := staging.json(name):
        cell = f"given.{column}"
        found.checks.append(Check(name, "wrong_type", f"{cell} <> 'null'", f"{cell}::text", "text"))


def _field(found: Read, staging: Staging, name: str, key: str) -> None:
    cell = _text(staging, name)
    _nested(found, staging, name)

    def check(code: str, sql: str, needed: str = "") -> None:
        found.checks.append(Check(name, code, f"{cell} <> '' AND {sql}", cell, needed))

    if key in TEXTS_OF_FIELDS:
        longest = TEXTS_OF_FIELDS[key]
        # A text has no more characters than bytes, and those are known without counting.
        check("too_long", f"octet_length({cell}) > {longest} AND char_length({cell}) > {longest}", str(longest))
        found.fields[key] = cell
    if key == "language":
        check("invalid_language", f"{cell} !~ '{LANGUAGE}'")
    elif key == "country":
        check("invalid_country", f"{cell} !~ '{COUNTRY}'")
    elif key == "timezone":
        check("unknown_zone", f"{cell} <> ALL(%(zones)s::text[])")
    elif key in CHOICES:
        wrong = f"{cell} NOT IN ({', '.join(repr(str(one)) for one in CHOICES[key])})"
        found.checks.append(Check(name, "unknown_choice", wrong, cell, ", ".join(CHOICES[key])))
        found.fields[key] = cell
    elif key == "birth_date":
        _day_checks(found, name, cell)
        found.fields[key] = f"nullif({cell}, '')::date"
    elif key == "joined_at":
        check("not_a_moment", f"({cell} !~ '{MOMENT}' OR NOT pg_input_is_valid({cell}, 'timestamptz'))")
        _year_check(found, name, cell, MOMENT)
        moment = (
            f"CASE WHEN {cell} = '' THEN NULL WHEN length({cell}) > 10 AND {cell} ~ '{OFFSET}' THEN {cell}::timestamptz"
            f" ELSE {cell}::timestamp AT TIME ZONE %(zone)s END"
        )
        found.fields[key] = moment


def _day_checks(found: Read, name: str, cell: str) -> None:
    is_wrong = f"{cell} <> '' AND ({cell} !~ '{DAY}' OR NOT pg_input_is_valid({cell}, 'date'))"
    found.checks.append(Check(name, "not_a_date", is_wrong, cell))
    _year_check(found, name, cell, DAY)


def _year_check(found: Read, name: str, cell: str, pattern: str) -> None:
    # The cheap question first.
    sql = f"left({cell}, 4) NOT BETWEEN '{years.FIRST}' AND '{years.LAST}' AND {cell} ~ '{pattern}'"
    found.checks.append(Check(name, "year_out_of_range", sql, cell, f"{years.FIRST}-{years.LAST}"))


def _consent(found: Read, staging: Staging, name: str, channel: Channel) -> None:
    cell = f"lower({_text(staging, name)})"
    _nested(found, staging, name)
    wrong = f"{cell} <> '' AND {cell} NOT IN {YES + NO}"
    found.checks.append(Check(name, "not_yes_or_no", wrong, cell, "true, false"))
    # An empty cell says nothing: nobody takes a consent back by leaving it out.
    found.consents[channel.pk] = f"CASE WHEN {cell} IN {YES} THEN true WHEN {cell} IN {NO} THEN false END"


def _attribute(found: Read, staging: Staging, name: str, definition: AttributeDefinition) -> None:
    cell, key = _text(staging, name), definition.name
    nested = f"given.{staging.json(name)}" if staging.json(name) else "NULL::jsonb"

    def check(code: str, sql: str, needed: str = "") -> None:
        found.checks.append(Check(name, code, f"{cell} <> '' AND {sql}", cell, needed))

    empty = f"{cell} = ''"
    if definition.type == ValueType.LIST:
        _list(found, name, cell, nested, definition)
        found.emptied[key] = f"({empty} OR {nested} = 'null') IS TRUE"
        return
    _nested(found, staging, name)
    found.emptied[key] = f"({empty}) IS TRUE"
    filled = f"nullif({cell}, '')"
    match definition.type:
        case ValueType.NUMBER:
            check("too_large", f"{cell} ~ '{TOO_LARGE}'", "9" * DIGITS)
            check("too_many_decimals", f"{cell} ~ '{TOO_EXACT}'", str(DECIMALS))
            check("not_a_number", f"{cell} !~ '{NUMBER}' AND {cell} !~ '{TOO_LARGE}' AND {cell} !~ '{TOO_EXACT}'")
            value = f"to_jsonb({filled}::numeric)"
        case ValueType.BOOLEAN:
            lower = f"lower({cell})"
            check("not_yes_or_no", f"{lower} NOT IN {YES + NO}", "true, false")
            value = f"to_jsonb(CASE WHEN {lower} IN {YES} THEN true WHEN {lower} IN {NO} THEN false END)"
        case ValueType.DATE:
            _day_checks(found, name, cell)
            value = f"to_jsonb({filled})"
        case _:
            check("too_long", f"char_length({cell}) > {attribute.LONGEST}", str(attribute.LONGEST))
            if definition.choices:
                choices = _array(definition.choices)
                check("unknown_choice", f"{cell} <> ALL({choices})", ", ".join(definition.choices)[:500])
            value = f"to_jsonb({filled})"
    found.attributes[key] = value


def _list(found: Read, name: str, cell: str, nested: str, definition: AttributeDefinition) -> None:
    """A list is JSON, in a cell too; or texts parted by `|`."""
    is_json = f"({cell} LIKE '[%%' AND pg_input_is_valid({cell}, 'jsonb'))"
    parted = f"to_jsonb(array_remove(string_to_array({cell}, '|'), ''))"
    value = f"coalesce(nullif({nested}, 'null'), CASE WHEN {cell} = '' THEN NULL WHEN {is_json} THEN {cell}::jsonb"
    value += f" ELSE {parted} END)"
    texts = f"jsonb_typeof({value}) <> 'array' OR jsonb_path_exists({value}, '$[*] ? (@.type() <> \"string\")')"
    shown = f"coalesce({cell}, {nested}::text)"
    found.checks.append(Check(name, "not_a_list_of_texts", f"({texts})", shown))
    entries = f"jsonb_array_elements_text(CASE WHEN jsonb_typeof({value}) = 'array' THEN {value} ELSE '[]' END)"
    too_long = f"EXISTS (SELECT FROM {entries} AS one (text) WHERE char_length(one.text) > {attribute.LONGEST})"
    found.checks.append(Check(name, "too_long", too_long, shown, str(attribute.LONGEST)))
    if definition.choices:
        unknown = f"EXISTS (SELECT FROM {entries} AS one (text) WHERE one.text <> ALL({_array(definition.choices)}))"
        found.checks.append(Check(name, "unknown_choice", unknown, shown, ", ".join(definition.choices)[:500]))
    found.attributes[definition.name] = value


def literal(text: str) -> str:
    """Return a text as SQL, in a statement with parameters."""
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def _array(texts: list[str]) -> str:
    return f"ARRAY[{', '.join(map(literal, texts))}]::text[]"


def patch(found: Read) -> tuple[str, str]:
    """Return the JSON of the attributes that a line gives, and the names of those that it empties."""
    pairs = [f"{literal(name)}, {value}" for name, value in found.attributes.items()]
    parts = [", ".join(pairs[place : place + MOST_PAIRS]) for place in range(0, len(pairs), MOST_PAIRS)]
    given = " || ".join(f"jsonb_build_object({part})" for part in parts) or "'{}'::jsonb"
    gone = ", ".join(f"CASE WHEN {is_empty} THEN {literal(name)} END" for name, is_empty in found.emptied.items())
    return f"jsonb_strip_nulls({given})", f"array_remove(ARRAY[{gone}]::text[], NULL)"
