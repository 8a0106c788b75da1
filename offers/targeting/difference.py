"""What two trees of criteria differ in, in words: conditions that came, conditions that went (S4-26)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from offers.targeting import wording
from offers.targeting.criteria import Criteria, Group, Node


@dataclass(frozen=True)
class Difference:
    """Conditions in words. Neither added nor removed, and not the same: they are put together in another way."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    is_same: bool

    @property
    def is_regrouped(self) -> bool:
        """Say whether only groups changed."""
        return not (self.is_same or self.added or self.removed)


def between(before: Criteria, after: Criteria) -> Difference:
    """Return what one has to take away from the criteria before, and to add, for those after."""
    old, new = (Counter(_conditions(one, one.root)) for one in (before, after))
    added, removed = (tuple((left - right).elements()) for left, right in ((new, old), (old, new)))
    is_same = wording.sentence(before) == wording.sentence(after) and before.data() == after.data()
    return Difference(added, removed, is_same)


def _conditions(criteria: Criteria, node: Node) -> Iterator[str]:
    if not isinstance(node, Group):
        yield str(wording.condition(criteria, node))
        return
    if not node.items:
        yield str(wording.sentence(criteria))
    for item in node.items:
        yield from _conditions(criteria, item)
