"""A saved targeting's versions: what each meant in words, who saved it, which runs used it, what changed (S4-26)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from loyalty.models import AuditEvent
from offers.models import MassAssignment, Targeting, TargetingVersion
from offers.selectors import targeting_catalogue
from offers.targeting import Catalogue, Criteria, InvalidCriteria, difference, parse, wording
from offers.targeting.difference import Difference


@dataclass(frozen=True)
class Version:
    """One version. `change` is what it differs in from the one before; None for the first, or where one is unreadable.

    `sentence` says what is wrong where what it speaks of is gone, and `is_readable` that it does.
    """

    number: int
    sentence: str
    is_readable: bool
    saved_by: str
    created_at: datetime
    runs: list[MassAssignment]
    change: Difference | None
    is_current: bool


def versions(targeting: Targeting, *, most: int = 20) -> list[Version]:
    """Return the newest versions, newest first. A fixed number of queries, however many they are."""
    # The one before the oldest that is shown says what that one changed.
    stored = list(targeting.versions.select_related("created_by")[: most + 1])
    catalogue = targeting_catalogue.catalogue_of(programme=targeting.programme, trees=[one.criteria for one in stored])
    read = {one.number: _read(one.criteria, catalogue) for one in stored}
    runs = _runs(stored[:most])
    machines = _machines(targeting)
    found = []
    for one in stored[:most]:
        checked = read[one.number]
        found.append(
            Version(
                number=one.number,
                sentence=str(wording.sentence(checked)) if isinstance(checked, Criteria) else checked,
                is_readable=isinstance(checked, Criteria),
                saved_by=str(one.created_by or machines.get(one.number) or _("somebody")),
                created_at=one.created_at,
                runs=runs.get(one.pk, []),
                change=_change(read.get(one.number - 1), checked),
                is_current=one.pk == targeting.current_version_id,
            )
        )
    return found


def compare(targeting: Targeting, *, before: int, after: int) -> Difference | None:
    """Return what two versions differ in; None where one is not there, or speaks of what is gone."""
    stored = {one.number: one.criteria for one in targeting.versions.filter(number__in={before, after})}
    if {before, after} - stored.keys():
        return None
    catalogue = targeting_catalogue.catalogue_of(programme=targeting.programme, trees=list(stored.values()))
    return _change(_read(stored[before], catalogue), _read(stored[after], catalogue))


def _change(before: Criteria | str | None, after: Criteria | str) -> Difference | None:
    """Return what two versions differ in, where both can be read."""
    if isinstance(before, Criteria) and isinstance(after, Criteria):
        return difference.between(before, after)
    return None


def _read(tree: Any, catalogue: Catalogue) -> Criteria | str:
    try:
        return parse(tree, catalogue)
    except InvalidCriteria as error:
        return error.message


def _runs(stored: Sequence[TargetingVersion]) -> dict[int, list[MassAssignment]]:
    found: dict[int, list[MassAssignment]] = {}
    runs = MassAssignment.objects.filter(targeting_version__in=[one.pk for one in stored])
    for run in runs.only("pk", "name", "state", "targeting_version_id", "launched_at").order_by("-pk")[:200]:
        found.setdefault(run.targeting_version_id or 0, []).append(run)
    return found


def _machines(targeting: Targeting) -> dict[int, str]:
    """Return the names of the API clients that saved versions, by number: people stand at the version itself."""
    events = AuditEvent.objects.filter(
        object_type=targeting._meta.label_lower,
        object_id=str(targeting.pk),
        action__in=("targeting.created", "targeting.changed"),
        api_client__isnull=False,
    ).values_list("data__version", "api_client__name")
    return {number or 1: name for number, name in events}
