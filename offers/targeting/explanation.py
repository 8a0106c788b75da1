"""Why a member is in or out: each condition judged for her alone, with the value that she has (B-02).

One statement asks for all conditions at once; groups follow from their conditions as in `reading`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from offers.targeting import consent, expression, history
from offers.targeting.catalogue import Attribute, ConsentTo, ReachableOn
from offers.targeting.compiler import Compiler
from offers.targeting.criteria import Comparison, Criteria, Group, History, Leaf, Listed, Node, Saved, Share

# The member of the question, as a relation: whose history is looked up.
ALONE = "alone"


@dataclass(frozen=True)
class Questions:
    """A SELECT for one member: for each leaf, in the order of `leaves`, `holds_0` and her value as JSON, `value_0`."""

    sql: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """A node, whether it holds for the member, her value (of a leaf) as JSON has it, and what is inside."""

    node: Node
    holds: bool
    value: Any = None
    items: tuple["Judged", ...] = ()


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the conditions of the tree and of the targetings that it names, in the order that is asked and answered."""
    if isinstance(node, Group):
        for item in node.items:
            yield from leaves(item)
    elif isinstance(node, Saved):
        yield from leaves(node.root)
    else:
        yield node


def questions(criteria: Criteria, *, programme_id: int, member_id: int, now: datetime, zone: ZoneInfo) -> Questions:
    """Return what to ask the database about one member of the programme."""
    state = Compiler(programme_id=programme_id, now=now, zone=zone, within=ALONE)
    asked = [
        f"({expression.condition(leaf, state)}) AS holds_{number}, to_jsonb({_value(leaf, state)}) AS value_{number}"
        for number, leaf in enumerate(leaves(criteria.root))
    ] or ["NULL AS nothing"]
    member = f"id = {state.parameter(member_id, 'bigint')} AND programme_id = {state.parameter(programme_id, 'bigint')}"
    return Questions(
        f"WITH {ALONE} AS MATERIALIZED (SELECT * FROM loyalty_member WHERE {member}) "
        f"SELECT {', '.join(asked)} FROM {ALONE} AS member",
        state.params,
    )


def judge(criteria: Criteria, answers: Iterator[tuple[bool, Any]]) -> Judged:
    """Put the answers, in the order of `leaves`, into the tree."""
    return _judge(criteria.root, answers)


def _judge(node: Node, answers: Iterator[tuple[bool, Any]]) -> Judged:
    if isinstance(node, Saved):
        inner = _judge(node.root, answers)
        return Judged(node, inner.holds, items=(inner,))
    if not isinstance(node, Group):
        holds, value = next(answers)
        return Judged(node, bool(holds), value)
    items = tuple(_judge(item, answers) for item in node.items)
    join = all if node.op == "and" else any
    return Judged(node, join(item.holds for item in items) != node.negated, items=items)


def _value(leaf: Leaf, state: Compiler) -> str:
    if isinstance(leaf, Comparison):
        source = leaf.field.source
        if isinstance(source, Attribute):
            return f"member.attributes -> {state.parameter(source.name, 'text')}"
        if isinstance(source, ConsentTo | ReachableOn):
            return consent.value(source, state)
        return f"member.{source.name}"
    if isinstance(leaf, History):
        return history.measured(leaf, state)
    if isinstance(leaf, Share):
        return expression.place(leaf, state)
    if isinstance(leaf, Listed):
        return expression.line_in(leaf, state)
    raise TypeError(f"{type(leaf).__name__} is asked about by its own conditions")
