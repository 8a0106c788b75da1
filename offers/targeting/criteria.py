"""A criteria tree that was read and checked: groups, comparisons, aggregates of a member's history, random shares."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from offers.targeting.catalogue import Catalogue, Field

# A bound, a text, a yes or no, a number of days; a pair for `between`; several for `in`; None where none is taken.
Value = str | bool | int | float | date | tuple["Scalar", ...] | None
Scalar = str | int | float | date


@dataclass(frozen=True)
class Comparison:
    """A member's field against a value."""

    field: Field
    operator: str
    value: Value

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON."""
        return {"field": self.field.key, "is": self.operator} | _value(self.value)


@dataclass(frozen=True)
class Window:
    """What of the history counts: all that is given must hold; within one list, any. Days are the zone's."""

    # Pairs of dimension and external ids, in the catalogue's order.
    dimensions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    last_days: int | None = None
    first_day: date | None = None
    last_day: date | None = None

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON."""
        found: dict[str, Any] = {key: list(ids) for key, ids in self.dimensions}
        if self.last_days is not None:
            found["last_days"] = self.last_days
        if self.first_day is not None:
            found["from"] = self.first_day.isoformat()
        if self.last_day is not None:
            found["to"] = self.last_day.isoformat()
        return found


@dataclass(frozen=True)
class History:
    """An aggregate over what happened to the member (`subject`: purchases, assignments, redemptions)."""

    subject: str
    measure: str
    where: Window
    operator: str
    value: Value

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON."""
        where = self.where.data()
        return (
            {self.subject: self.measure}
            | ({"where": where} if where else {})
            | {"is": self.operator}
            | _value(self.value)
        )


@dataclass(frozen=True)
class Share:
    """A random share of the members in percent, the same ones for the same key, so that it is stable per campaign."""

    percent: float
    key: str

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON."""
        return {"random_percent": self.percent, "key": self.key}


@dataclass(frozen=True)
class Listed:
    """Who stands in an uploaded list, which never changes."""

    list_id: int
    name: str

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON."""
        return {"list": self.list_id}


@dataclass(frozen=True)
class Saved:
    """Who another saved targeting means, in one of its versions: what is stored keeps meaning the same members."""

    targeting_id: int
    version: int
    name: str
    root: "Node"

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON."""
        return {"targeting": self.targeting_id, "version": self.version}


@dataclass(frozen=True)
class Group:
    """Several conditions under `and` or `or`; `negated` means the members for whom that is not so."""

    op: Literal["and", "or"]
    items: tuple["Node", ...]
    negated: bool = False

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON."""
        found: dict[str, Any] = {"op": self.op, "items": [item.data() for item in self.items]}
        return ({"not": True} if self.negated else {}) | found


Leaf = Comparison | History | Share | Listed | Saved
Node = Group | Leaf


@dataclass(frozen=True)
class Criteria:
    """A checked tree and the catalogue that it was read with. Without any condition it means all members."""

    root: Node
    catalogue: Catalogue

    @property
    def is_everyone(self) -> bool:
        """Say whether these are all members of the programme."""
        return isinstance(self.root, Group) and not self.root.items

    @property
    def has_history(self) -> bool:
        """Say whether any condition is on what happened to the members."""
        return has_history(self.root)

    @property
    def names_members(self) -> bool:
        """Say whether any condition, here or in a targeting that is named, is about what one member alone has."""
        return _names_members(self.root)

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON, as it is stored."""
        return self.root.data() | ({"all_members": True} if self.is_everyone else {})

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield every node with its path, parents first: counting, explaining and drawing all use this order."""
        yield from _walk("", self.root)


def has_history(node: Node) -> bool:
    """Say whether a condition below, or in a targeting that it names, is on what happened to the members."""
    if isinstance(node, Group):
        return any(has_history(item) for item in node.items)
    return has_history(node.root) if isinstance(node, Saved) else isinstance(node, History)


def _names_members(node: Node) -> bool:
    if isinstance(node, Group):
        return any(_names_members(item) for item in node.items)
    if isinstance(node, Saved):
        return _names_members(node.root)
    if isinstance(node, Listed):
        return True
    # Whether she has an address at all names nobody.
    return isinstance(node, Comparison) and node.field.is_identity and node.value is not None


def child(path: str, place: int) -> str:
    """Return the path of a group's item."""
    return f"{path}{'.' if path else ''}items[{place}]"


def _walk(path: str, node: Node) -> Iterator[tuple[str, Node]]:
    yield path, node
    if isinstance(node, Group):
        for place, item in enumerate(node.items):
            yield from _walk(child(path, place), item)


def _value(value: Value) -> dict[str, Any]:
    if value is None:
        return {}
    return {"value": [_plain(one) for one in value] if isinstance(value, tuple) else _plain(value)}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
