"""Why a member is in or out of an audience: clause by clause, with her values, in plain words (B-02)."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.utils import formats
from django.utils.translation import gettext as _

from loyalty import money
from loyalty.database import rows
from loyalty.models import Member, Programme
from offers.selectors import targeting as selector
from offers.targeting import (
    Comparison,
    Criteria,
    Group,
    History,
    InvalidCriteria,
    Listed,
    Saved,
    explanation,
    operators,
    parse,
    wording,
)
from offers.targeting.explanation import Judged


@dataclass(frozen=True)
class Clause:
    """One line: how deep it stands, what is asked, whether it holds, and her value (empty for a group)."""

    path: str
    depth: int
    kind: str
    text: str
    holds: bool
    value: str = ""


@dataclass(frozen=True)
class Explanation:
    """Whether the member is meant, in a sentence, and every clause, parents first."""

    member: Member
    is_meant: bool
    sentence: str
    clauses: list[Clause]


def explain(criteria: Any, *, programme: Programme, member: Member, now: datetime) -> Explanation:
    """Say of one member of the programme whether the criteria mean her, and why. One statement besides the reading."""
    checked = selector.read(criteria, programme=programme)
    return _explained(checked, _judged(checked, programme, member, now), programme, member)


def explain_each(
    trees: Mapping[int, Any], *, programme: Programme, member: Member, now: datetime
) -> dict[int, Explanation | None]:
    """Say the same of several criteria, by their keys, in one statement; None for those that can no longer be read."""
    catalogue = selector.catalogue(programme)
    checked: dict[int, Criteria] = {}
    for key, tree in trees.items():
        with suppress(InvalidCriteria):
            checked[key] = parse(tree, catalogue)
    if not checked:
        return dict.fromkeys(trees)
    # Asked as one tree, and taken apart again.
    whole = Criteria(root=Group("or", tuple(one.root for one in checked.values())), catalogue=catalogue)
    judged = dict(zip(checked, _judged(whole, programme, member, now).items, strict=True))
    return {key: _explained(checked[key], judged[key], programme, member) if key in checked else None for key in trees}


def _judged(checked: Criteria, programme: Programme, member: Member, now: datetime) -> Judged:
    asked = explanation.questions(checked, programme_id=programme.pk, member_id=member.pk, now=now, zone=programme.zone)
    return explanation.judge(checked, iter(_answers(rows(asked.sql, asked.params)[0])))


def _explained(checked: Criteria, judged: Judged, programme: Programme, member: Member) -> Explanation:
    clauses = list(_clauses(checked, programme, judged, "", 0))
    is_meant = judged.holds and member.status != Member.Status.ERASED
    return Explanation(member, is_meant, _sentence(checked, judged, is_meant, clauses), clauses)


def _answers(row: dict[str, Any]) -> Iterator[tuple[bool, Any]]:
    for number in range(len(row) // 2):
        value = row[f"value_{number}"]
        yield row[f"holds_{number}"], orjson.loads(value) if isinstance(value, str) else value


def _sentence(checked: Criteria, judged: Judged, is_meant: bool, clauses: list[Clause]) -> str:
    if checked.is_everyone:
        return _("All members are meant, so she is too.")
    if is_meant:
        return _("She is meant.")
    against = _against(checked, judged)
    if not against:
        return _("She is not meant.")
    return _("She is not meant, because this does not hold: %(clauses)s.") % {"clauses": "; ".join(against)}


def _against(checked: Criteria, judged: Judged) -> list[str]:
    """Return what keeps her out: down to the conditions where one alone decides, else the group."""
    node = judged.node
    if isinstance(node, Group) and not node.negated and node.op == "and":
        return [text for item in judged.items if not item.holds for text in _against(checked, item)]
    return [wording.condition(checked, node)]


def _clauses(checked: Criteria, programme: Programme, judged: Judged, path: str, depth: int) -> Iterator[Clause]:
    node = judged.node
    if isinstance(node, Group):
        text = _("All of these") if node.op == "and" else _("Any of these")
        if node.negated:
            text = _("Not all of these") if node.op == "and" else _("None of these")
        yield Clause(path, depth, "group", text, judged.holds)
    elif isinstance(node, Saved):
        yield Clause(path, depth, "targeting", wording.condition(checked, node), judged.holds)
    else:
        value = _value(node, judged.value, programme)
        yield Clause(path, depth, "condition", wording.condition(checked, node), judged.holds, value)
    for place, item in enumerate(judged.items):
        yield from _clauses(checked, programme, item, f"{path}.{place}" if path else str(place), depth + 1)


def _value(node: Any, value: Any, programme: Programme) -> str:
    """Say the member's own value."""
    if isinstance(node, Listed):
        return _("line %(line)s") % {"line": value} if value is not None else _("not in it")
    if value is None or value == "" or value == []:
        return _("not known")
    if isinstance(node, History):
        if node.measure in operators.MONEY:
            return money.display(int(value), programme.currency)
        if node.measure in operators.DAYS or node.measure == "recency_days":
            return _day(value, programme)
        return str(value)
    if isinstance(node, Comparison):
        if node.field.type == "moment":
            return _day(value, programme)
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, list):
            return ", ".join(str(one) for one in value)
        return str(dict(node.field.choices).get(str(value), value))
    return _("%(place)s %% of all come before her") % {"place": formats.number_format(value / 100, 2)}


def _day(value: str, programme: Programme) -> str:
    return formats.date_format(datetime.fromisoformat(value).astimezone(programme.zone), "DATETIME_FORMAT")
