"""Conditions that can never hold together are refused by name, instead of finding nobody.

Only what is certain is refused: conditions on one field (or one measure of the same purchases) under one `and`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from offers.targeting import operators, problem
from offers.targeting.criteria import Comparison, Group, History, Leaf, Node, child
from offers.targeting.problem import Problem

# Operators as bounds: side, and whether the bound itself is out.
BOUNDS = {
    "less": ("upper", True),
    "less_or_equal": ("upper", False),
    "greater": ("lower", True),
    "greater_or_equal": ("lower", False),
    "before": ("upper", True),
    "after": ("lower", True),
}


@dataclass
class Possible:
    """The values that all conditions so far leave to one field."""

    allowed: set[Any] | None = None
    excluded: set[Any] = field(default_factory=set)
    # (value, is out); the strictest so far.
    lower: tuple[Any, bool] | None = None
    upper: tuple[Any, bool] | None = None
    prefixes: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    is_known: bool = False
    is_unknown: bool = False

    def narrow(self, operator: str, value: Any) -> None:
        """Take one more condition into account."""
        if operator == "not_exists":
            self.is_unknown = True
        elif operator in ("not_equals", "not_in"):
            self.excluded |= set(value) if operator == "not_in" else {value}
        elif operator not in operators.COMPLEMENTS:
            self.is_known = True
        if operator in ("equals", "in"):
            values = set(value) if operator == "in" else {value}
            self.allowed = values if self.allowed is None else self.allowed & values
        elif operator == "between":
            self.bound("lower", value[0], False)
            self.bound("upper", value[1], False)
        elif operator in BOUNDS:
            side, is_out = BOUNDS[operator]
            self.bound(side, value, is_out)
        elif operator == "starts_with":
            self.prefixes.append(value.casefold())
        elif operator == "contains":
            self.pieces.append(value.casefold())

    def bound(self, side: str, value: Any, is_out: bool) -> None:
        if side == "lower":
            self.lower = max(self.lower or (value, is_out), (value, is_out))
        elif self.upper is None or value < self.upper[0] or (value == self.upper[0] and is_out):
            self.upper = (value, is_out)

    def takes(self, value: Any) -> bool:
        """Say whether one value satisfies everything but the list of the allowed ones."""
        if value in self.excluded:
            return False
        if self.lower and (value < self.lower[0] or (value == self.lower[0] and self.lower[1])):
            return False
        if self.upper and (value > self.upper[0] or (value == self.upper[0] and self.upper[1])):
            return False
        text = str(value).casefold()
        return all(text.startswith(one) for one in self.prefixes) and all(one in text for one in self.pieces)

    @property
    def is_nothing(self) -> bool:
        """Say whether no member can satisfy the conditions."""
        if self.is_unknown and self.is_known:
            return True
        if self.allowed is not None:
            return not any(self.takes(value) for value in self.allowed)
        if self.lower and self.upper:
            return self.lower[0] > self.upper[0] or (
                self.lower[0] == self.upper[0] and (self.lower[1] or self.upper[1])
            )
        return any(
            not longer.startswith(shorter)
            for longer in self.prefixes
            for shorter in self.prefixes
            if len(shorter) <= len(longer)
        )


def problems(root: Node) -> list[Problem]:
    """Return a problem for each `and` whose conditions on one field exclude each other."""
    return list(_problems(root, "", is_joined=False))


def _problems(node: Node, path: str, *, is_joined: bool) -> Iterator[Problem]:
    """`is_joined`: this group's conditions were already looked at with those of the `and` above."""
    if not isinstance(node, Group):
        return
    if node.op == "and" and not is_joined:
        possible: dict[Any, tuple[str, Possible]] = {}
        for leaf in _joined(node):
            key, label = _subject(leaf)
            if key is None or not isinstance(leaf, Comparison | History):
                continue
            possible.setdefault(key, (label, Possible()))[1].narrow(leaf.operator, leaf.value)
        for label, found in possible.values():
            if found.is_nothing:
                message = _("%(label)s: these conditions can never hold together. Change one, or join them by “or”.")
                yield problem.at(path, "contradiction", message % {"label": label})
    for place, item in enumerate(node.items):
        joined = isinstance(item, Group) and node.op == "and" and item.op == "and" and not item.negated
        yield from _problems(item, child(path, place), is_joined=joined)


def _joined(group: Group) -> Iterator[Leaf]:
    """Yield the leaves that must all hold: the group's, and those of plain `and` groups inside it."""
    for item in group.items:
        if not isinstance(item, Group):
            yield item
        elif item.op == "and" and not item.negated:
            yield from _joined(item)


def _subject(leaf: Leaf) -> tuple[Any, str]:
    """Return what the leaf speaks of, as a key and a label; no key where several values may hold at once."""
    if isinstance(leaf, Comparison):
        key = None if leaf.field.type == "list" else leaf.field.key
        return key, str(leaf.field.label)
    if isinstance(leaf, History):
        return (leaf.subject, leaf.measure, leaf.where), str(operators.MEASURES[leaf.subject][leaf.measure])
    return None, ""
