"""Runs that go on from each other, each to the members that are new since (B-03)."""

from dataclasses import dataclass

from django.db.models import Q

from offers.models import MassAssignment


@dataclass(frozen=True)
class Relatives:
    """The run that one goes on from, and those that go on from it."""

    follows: MassAssignment | None
    followers: list[MassAssignment]


def earlier(*, run: MassAssignment) -> list[int]:
    """Return the runs whose frozen audiences are not new to this one: all planned ones of its line but itself.

    Called under the lock that planning takes on the line; nothing for a run that goes on from none.
    """
    return [pk for pk in line(run=run) if pk != run.pk] if run.first_id else []


def line(*, run: MassAssignment) -> list[int]:
    """Return every planned run of the line that the run is of, itself included."""
    first = run.first_id or run.pk
    found = MassAssignment.objects.filter(Q(pk=first) | Q(first=first), planned_at__isnull=False)
    return list(found.order_by("pk").values_list("pk", flat=True))


def relatives(*, run: MassAssignment) -> Relatives:
    """Return whom the run goes on from, and who goes on from it, for their pages."""
    follows = MassAssignment.objects.filter(pk=run.follows_id).first() if run.follows_id else None
    return Relatives(follows, list(MassAssignment.objects.filter(follows=run).order_by("pk")[:20]))
