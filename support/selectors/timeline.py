"""Everything that happened to a member, merged: one query a kind, whatever she did (B-02, S0-11)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.models import Member, Purchase
from offers.models import Assignment, AssignmentEvent, DoorEntry, Redemption

PAGE = 25

KINDS: dict[str, str | Promise] = {
    "issued": _("Given"),
    "event": _("Changes"),
    "redemption": _("Used"),
    "purchase": _("Purchases"),
    "refusal": _("Refused"),
}
ALL = tuple(KINDS)


@dataclass(frozen=True)
class Entry:
    """One thing that happened; `thing` is the row that tells of it."""

    kind: str
    at: datetime
    key: str
    thing: Any


def timeline(*, member: Member, kinds: Iterable[str] = ALL, page: int = 1) -> tuple[list[Entry], bool]:
    """Return a page of what happened to the member, newest first, of the chosen kinds; and whether there is more.

    Each kind is read as far as the page may need, then merged: five queries at most, however much there is.
    """
    first = PAGE * (page - 1)
    found: list[Entry] = []
    for kind in KINDS:
        if kind in kinds:
            # Moments may be equal (a run issues many at once): the key makes the order total.
            found += [
                Entry(kind, at(row), f"{kind} {row.pk!s:>040}", row)
                for row in READERS[kind](member)[: first + PAGE + 1]
            ]
    found.sort(key=attrgetter("at", "key"), reverse=True)
    return found[first : first + PAGE], len(found) > first + PAGE


def at(row: Any) -> datetime:
    """Return when the thing that a row tells of happened."""
    return getattr(row, MOMENTS[type(row)])


def _issued(member: Member) -> QuerySet[Assignment]:
    return (
        Assignment.objects.filter(member=member)
        .select_related("config_offer__current_revision", "template", "run", "campaign", "actor")
        .order_by("-issued_at", "-pk")
    )


def _events(member: Member) -> QuerySet[AssignmentEvent]:
    return (
        AssignmentEvent.objects.filter(assignment__member=member)
        .select_related("assignment__config_offer__current_revision", "assignment__run", "actor", "api_client")
        .order_by("-at", "-pk")
    )


def _redemptions(member: Member) -> QuerySet[Redemption]:
    return (
        Redemption.objects.filter(member=member)
        .select_related("config_offer__current_revision", "purchase")
        .order_by("-redeemed_at", "-pk")
    )


def _purchases(member: Member) -> QuerySet[Purchase]:
    return Purchase.objects.filter(member=member).select_related("store").order_by("-purchased_at", "-pk")


def _refusals(member: Member) -> QuerySet[DoorEntry]:
    return (
        DoorEntry.objects.filter(member=member, assignment__isnull=True)
        .select_related("actor")
        .order_by("-created_at", "-pk")
    )


READERS: dict[str, Callable[[Member], QuerySet[Any]]] = {
    "issued": _issued,
    "event": _events,
    "redemption": _redemptions,
    "purchase": _purchases,
    "refusal": _refusals,
}
MOMENTS: dict[type, str] = {
    Assignment: "issued_at",
    AssignmentEvent: "at",
    Redemption: "redeemed_at",
    Purchase: "purchased_at",
    DoorEntry: "created_at",
}
