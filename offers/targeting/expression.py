"""From criteria to one boolean SQL expression over `loyalty_member AS member`.

Values are parameters, always; names come from the catalogue. Every leaf is true or false of every member: a missing
value fails a comparison and satisfies its complement (`operators.COMPLEMENTS`). Negation is pushed down to the
leaves, so that aggregates of the history stay semi-joins and anti-joins that PostgreSQL can plan.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from offers.targeting import compiler, consent, history, operators
from offers.targeting.catalogue import Attribute, Column, ConsentTo, Field, ReachableOn
from offers.targeting.compiler import SYMBOLS, Compiler
from offers.targeting.criteria import Criteria, Group, History, Leaf, Listed, Node, Saved, Share, has_history

# A member's place among all by lot, in hundredths of a percent from 0: the same one for the same seed (B-13, D-19).
PLACE = "(hashint8extended(member.id, {seed}) & 9223372036854775807) %% 10000"


@dataclass(frozen=True)
class Predicate:
    """A boolean expression over the alias `member`, with named parameters that begin with `targeting_`."""

    sql: str
    params: dict[str, Any]


def predicate(criteria: Criteria, *, programme_id: int, now: datetime, zone: ZoneInfo, within: str = "") -> Predicate:
    """Return the expression that is true of the members of the programme who satisfy the criteria.

    Erased members are nobody's audience; inactive ones are matched, and left out by name when a run is planned
    (`member_inactive`). Relative days are calendar days of the zone. `within` names a relation with the
    columns of the members' table (a CTE of the caller's own) that bounds whose history is aggregated; it is never
    a value from outside.
    """
    state = Compiler(programme_id=programme_id, now=now, zone=zone, within=within)
    programme = state.parameter(programme_id, "bigint")
    sql = f"member.programme_id = {programme} AND member.status <> 'erased'"
    if not criteria.is_everyone:
        sql += f" AND {_node(criteria.root, state, negated=False)}"
    return Predicate(sql=f"({sql})", params=state.params)


def _node(node: Node, state: Compiler, *, negated: bool) -> str:
    if isinstance(node, Group):
        negated ^= node.negated
        if (node.op == "and") != negated:
            return f"({' AND '.join(_node(item, state, negated=negated) for item in node.items)})"
        return _any(node.items, state, negated=negated)
    if isinstance(node, Saved):
        return _node(node.root, state, negated=negated)
    if isinstance(node, History):
        return history.condition(node, state, negated=negated)
    if isinstance(node, Share):
        wanted = f"{place(node, state)} < {state.parameter(round(node.percent * 100), 'int')}"
        return f"(NOT {wanted})" if negated else f"({wanted})"
    if isinstance(node, Listed):
        entries = f"SELECT entry.member_id FROM offers_memberlistentry AS entry WHERE {_of_list(node, state)}"
        if negated:
            return f"NOT EXISTS ({entries} AND entry.member_id = member.id)"
        return f"member.id IN ({entries})"
    operator = operators.COMPLEMENTS.get(node.operator, node.operator)
    source = node.field.source
    if isinstance(source, ConsentTo | ReachableOn):
        negated ^= operator != node.operator
        return f"({consent.condition(source, operator, node.value, state, negated=negated)})"
    positive = _comparison(node.field, operator, node.value, state)
    return f"({positive}) IS NOT TRUE" if negated ^ (operator != node.operator) else f"({positive})"


def _any(items: tuple[Node, ...], state: Compiler, *, negated: bool) -> str:
    """Join by OR. Conditions on the history become sets of members, united.

    Under an OR PostgreSQL cannot join; beyond its work memory it would look the history up member by member, which
    took days at a million. Inside each set the conditions stand under an AND again.
    """
    plain = [item for item in items if not has_history(item)]
    branches = [[_node(item, state, negated=negated)] for item in items if has_history(item)]
    if plain:
        branches.insert(0, [_node(item, state, negated=negated) for item in plain])
    conditions = [f"({' OR '.join(branch)})" for branch in branches]
    if len(conditions) == 1:
        return conditions[0]
    # The inner alias hides the outer one: each set is found by itself.
    programme = state.parameter(state.programme_id, "bigint")
    sets = [
        f"SELECT member.id FROM {state.within or 'loyalty_member'} AS member"
        f" WHERE member.programme_id = {programme} AND {condition}"
        for condition in conditions
    ]
    united = " UNION ALL ".join(sets)
    return f"member.id IN (WITH united AS MATERIALIZED ({united}) SELECT united.id FROM united)"


def condition(leaf: Leaf, state: Compiler) -> str:
    """Return the expression that one condition is."""
    return _node(leaf, state, negated=False)


def line_in(node: Listed, state: Compiler) -> str:
    """Return the line that named the member in the list; NULL where none did."""
    return (
        "(SELECT entry.line FROM offers_memberlistentry AS entry"
        f" WHERE {_of_list(node, state)} AND entry.member_id = member.id)"
    )


def _of_list(node: Listed, state: Compiler) -> str:
    return f"entry.member_list_id = {state.parameter(node.list_id, 'bigint')}"


def place(node: Share, state: Compiler) -> str:
    """Return a member's place among all under the key, in hundredths of a percent from 0.

    The key becomes the seed of PostgreSQL's own hash of the member's number, which stays as it is between versions.
    """
    return PLACE.format(seed=state.parameter(seed(node.key), "bigint"))


def seed(key: str) -> int:
    """Return the number that a key draws lots with, for `PLACE`."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)


def _comparison(known: Field, operator: str, value: Any, state: Compiler) -> str:
    source = known.source
    if isinstance(source, Attribute):
        return _attribute(known, source.name, operator, value, state)
    if not isinstance(source, Column):
        raise TypeError(f"{type(source).__name__} is compared elsewhere")
    column = f"member.{source.name}"
    if known.type == "moment":
        return " AND ".join(compiler.moments(column, operator, value, state))
    if known.type == "date":
        return " AND ".join(compiler.dates(column, operator, value, state, cast="date"))
    if operator == "exists":
        return f"{column} <> ''" if known.type in ("text", "choice") else f"{column} IS NOT NULL"
    cast = {"number": "numeric", "boolean": "boolean"}.get(known.type, "text")
    if operator == "in":
        values = [str(one) for one in value] if cast == "numeric" else list(value)
        return f"{column} = ANY({state.parameter(values, f'{cast}[]')})"
    if operator in ("contains", "starts_with"):
        return f"{column} ILIKE {state.parameter(_pattern(operator, value), 'text')}"
    if operator == "between":
        low, high = (state.parameter(str(one), cast) for one in value)
        return f"{column} BETWEEN {low} AND {high}"
    plain = str(value) if cast == "numeric" else value
    return f"{column} {SYMBOLS[operator]} {state.parameter(plain, cast)}"


def _attribute(known: Field, name: str, operator: str, value: Any, state: Compiler) -> str:
    """Compare a key of the attributes; a value that is not of the declared type satisfies no comparison.

    Nothing is cast: numbers compare by JSON path, dates as ISO text once known to look like one.
    """
    raw = f"(member.attributes -> {state.parameter(name, 'text')})"
    if operator == "exists":
        return f"{raw} <> ALL(ARRAY['null', '\"\"', '[]']::jsonb[])"
    if known.type == "list":
        return _list_attribute(raw, name, operator, value, state)
    if known.type == "date":
        text = f'(member.attributes ->> {state.parameter(name, "text")}) COLLATE "C"'
        return " AND ".join(
            [
                *compiler.dates(text, operator, value, state, cast="text"),
                f"{text} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$'",
            ]
        )
    if operator == "equals":
        return f"member.attributes @> {state.constant({name: value})}"
    if operator == "in":
        return f"{raw} = ANY(ARRAY[{', '.join(state.constant(one) for one in value)}])"
    if operator in ("contains", "starts_with"):
        text = f"(member.attributes ->> {state.parameter(name, 'text')})"
        pattern = state.parameter(_pattern(operator, value), "text")
        return f"{text} ILIKE {pattern} AND jsonb_typeof({raw}) = 'string'"
    return f"member.attributes @@ {state.parameter(_path(name, operator, value), 'jsonpath')}"


def _path(name: str, operator: str, value: Any) -> str:
    """Return the JSON path that compares a number: one look at the attributes, and never an error.

    Strict, so that a list of numbers is no number; what is no number, or is missing, is unknown.
    """
    key = f"$.{json.dumps(name)}"
    if operator == "between":
        low, high = (json.dumps(one) for one in value)
        return f"strict {key} >= {low} && {key} <= {high}"
    return f"strict {key} {SYMBOLS[operator]} {json.dumps(value)}"


def _list_attribute(raw: str, name: str, operator: str, value: Any, state: Compiler) -> str:
    if operator == "contains":
        return f"member.attributes @> {state.constant({name: [value]})}"
    return f"{raw} ?| {state.parameter(list(value), 'text[]')} AND jsonb_typeof({raw}) = 'array'"


def _pattern(operator: str, value: str) -> str:
    """Return the LIKE pattern that finds the text itself, whatever characters it has."""
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%" if operator == "starts_with" else f"%{escaped}%"
