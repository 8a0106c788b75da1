"""What criteria may speak of: the members' fields and the purchases' dimensions. Handed in, never looked up.

`offers/selectors/targeting.py` makes the catalogue of a programme. Column and attribute names come from here only.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django.utils.functional import Promise

FieldType = Literal["text", "choice", "number", "boolean", "date", "moment", "list"]


@dataclass(frozen=True)
class Column:
    """A typed column of the member's table."""

    name: str

    def __post_init__(self) -> None:
        # The one place where a name enters SQL text.
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"{self.name!r} is not a column")


@dataclass(frozen=True)
class Attribute:
    """A key of the member's attributes. Always a parameter, so any text may be one."""

    name: str


@dataclass(frozen=True)
class ConsentTo:
    """What a member agreed to on a channel: `given`, `refused`, or nothing where nobody asked her."""

    channel_id: int


@dataclass(frozen=True)
class ReachableOn:
    """Whether a channel reaches a member: it is in use, she agreed, and the address that it needs is known."""

    channel_id: int
    is_active: bool
    # The column of the address; None where none is needed.
    address: Column | None = None


Source = Column | Attribute | ConsentTo | ReachableOn


# Compared by identity: comparing or hashing lazy labels would translate them before Django is ready.
@dataclass(frozen=True, eq=False)
class Field:
    """One thing known of a member. A choice takes the values of `choices` only; pairs of value and label."""

    key: str
    label: str | Promise
    type: FieldType
    source: Source
    choices: tuple[tuple[str, str | Promise], ...] = ()
    group: str | Promise = ""
    # Whether a value of it names one member: her ids and addresses.
    is_identity: bool = False


def no_names(ids: Collection[str]) -> Mapping[str, str]:
    """Know no id at all."""
    return {}


@dataclass(frozen=True, eq=False)
class Dimension:
    """A way to narrow parts of the history. `names` returns the names of those of the external ids that exist."""

    key: str
    label: str | Promise
    names: Callable[[Collection[str]], Mapping[str, str]] = no_names
    subjects: tuple[str, ...] = ("purchases",)


@dataclass(frozen=True)
class SavedTree:
    """Another targeting in one of its versions: what it is called, the version's number and its stored tree."""

    name: str
    version: int
    tree: Any


def no_targetings(targeting_id: int, version: int | None) -> SavedTree | None:
    """Know no other targeting."""
    return None


def no_lists(list_id: int) -> str | None:
    """Know no uploaded list."""
    return None


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The fields by key, in the order of the builder, the dimensions of the history, and the currency of amounts.

    `targeting` finds another saved targeting by its id, in the version of this number; without one as it is now.
    `member_list` returns the name of an uploaded list by its id.
    """

    fields: Mapping[str, Field]
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    currency: str = "EUR"
    targeting: Callable[[int, int | None], SavedTree | None] = no_targetings
    member_list: Callable[[int], str | None] = no_lists

    def dimensions_of(self, subject: str) -> dict[str, Dimension]:
        """Return the ways to narrow this part of the history."""
        return {key: one for key, one in self.dimensions.items() if subject in one.subjects}
