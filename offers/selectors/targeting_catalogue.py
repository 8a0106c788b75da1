"""The catalogue for many stored trees at once: what they name is looked up together, however many they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import F, Q
from django.utils.translation import gettext as _

from loyalty import storable
from loyalty.models import Programme
from offers.models import Targeting
from offers.selectors import member_list
from offers.selectors import targeting as selector
from offers.targeting import Catalogue, Criteria, Dimension, InvalidCriteria, SavedTree, naming, parse, sentence
from offers.targeting.naming import Named

# Beyond these nothing has an id, and the database could not be asked for one.
LARGEST_ID, LARGEST_NUMBER = 2**63 - 1, 2**31 - 1


def read(criteria: Any, *, programme: Programme) -> Criteria:
    """Return the checked criteria of a request, with what they name looked up together: a fixed number of queries.

    Raises targeting.InvalidCriteria with every problem.
    """
    return parse(criteria, catalogue_of(programme=programme, trees=[criteria]))


def catalogue_of(*, programme: Programme, trees: Sequence[Any]) -> Catalogue:
    """Return a catalogue for reading and saying these stored trees, and no others.

    One query for the fields, one for each dimension that is named, one for lists, and one for each level of
    targetings within others.
    """
    whole = selector.catalogue(programme)
    saved: dict[Named, SavedTree | None] = {}
    named: dict[str, set[str]] = {}
    lists: set[int] = set()
    waiting = list(trees)
    while waiting:
        for tree in waiting:
            for key, ids in naming.ids(tree).items():
                # What is no id of anything is refused when the tree is read.
                named.setdefault(key, set()).update(one for one in ids if not storable.UNSTORABLE.search(one))
            lists |= {one for one in naming.lists(tree) if _may_be(one, None)}
        wanted = {one for tree in waiting for one in naming.targetings(tree) if _may_be(*one)} - saved.keys()
        found = _saved(programme, wanted) if wanted else {}
        saved |= {one: found.get(one) for one in wanted}
        waiting = [one.tree for one in found.values()]
    uploaded = member_list.names(programme, lists) if lists else {}
    return replace(
        whole,
        dimensions={key: _looked_up(one, named.get(key, set())) for key, one in whole.dimensions.items()},
        targeting=lambda targeting_id, version: saved.get((targeting_id, version)),
        member_list=uploaded.get,
    )


def _may_be(targeting_id: int, number: int | None) -> bool:
    return 0 < targeting_id <= LARGEST_ID and (number is None or 0 < number <= LARGEST_NUMBER)


def sentences(*, programme: Programme, targetings: Sequence[Targeting]) -> dict[int, str]:
    """Return by id whom each targeting means in words, or what is wrong with it since; looked up together."""
    catalogue = catalogue_of(
        programme=programme, trees=[one.current_version.criteria for one in targetings if one.current_version]
    )
    return {one.pk: _sentence(one, catalogue) for one in targetings}


def _sentence(one: Targeting, catalogue: Catalogue) -> str:
    if one.current_version is None:
        return _("Nothing is chosen yet")
    try:
        return str(sentence(parse(one.current_version.criteria, catalogue)))
    except InvalidCriteria as error:
        # An attribute or a category that it speaks of may be gone since.
        return error.message


def _saved(programme: Programme, wanted: set[Named]) -> dict[Named, SavedTree]:
    """Return the targetings that are wanted in a version, and those that are wanted as they are now."""
    then = {one for one in wanted if one[1] is not None}
    now = {pk for pk, number in wanted if number is None}
    is_then = Q(targeting_id__in={pk for pk, _number in then}, number__in={number for _pk, number in then})
    is_now = Q(targeting_id__in=now, targeting__current_version=F("pk"), targeting__archived_at__isnull=True)
    found: dict[Named, SavedTree] = {}
    for version in selector.versions(programme).filter(is_then | is_now):
        tree = SavedTree(version.targeting.name, version.number, version.criteria)
        if (version.targeting_id, version.number) in then:
            found[version.targeting_id, version.number] = tree
        targeting = version.targeting
        if targeting.pk in now and targeting.current_version_id == version.pk and targeting.archived_at is None:
            found[targeting.pk, None] = tree
    return found


def _looked_up(dimension: Dimension, ids: set[str]) -> Dimension:
    known = dimension.names(ids) if ids else {}

    def names(asked: Collection[str]) -> Mapping[str, str]:
        return {one: known[one] for one in asked if one in known}

    return replace(dimension, names=names)
