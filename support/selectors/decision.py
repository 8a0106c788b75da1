"""What others decided about one's own grants that waited, and one has not read yet: single ones and sets (B-05)."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from loyalty.models import Programme, User
from support.models import GrantBatch, GrantRequest

# Of one list each; who has more reads these first.
MOST = 50


@dataclass(frozen=True)
class Decisions:
    """Those that nobody read yet, the latest first."""

    single: Sequence[GrantRequest]
    sets: Sequence[GrantBatch]

    def __bool__(self) -> bool:
        return bool(self.single or self.sets)


def unread_requests(*, programme: Programme, user: User) -> QuerySet[GrantRequest]:
    """Return a person's own that somebody else, or the time, decided about."""
    return GrantRequest.objects.filter(_unread(programme, user)).exclude(decided_by=user)


def unread_batches(*, programme: Programme, user: User) -> QuerySet[GrantBatch]:
    """Return a person's own sets that somebody else, or the time, decided about."""
    return GrantBatch.objects.filter(_unread(programme, user)).exclude(decided_by=user)


def unread(*, programme: Programme, user: User) -> Decisions:
    """Return what a person has not read yet, with all that a list says of it. Two queries."""
    about = ("template__config_offer__current_revision", "asked_by", "decided_by")
    single = unread_requests(programme=programme, user=user).select_related("member", *about)
    sets = unread_batches(programme=programme, user=user).select_related(*about)
    return Decisions(
        list(single.order_by("-decided_at", "-id")[:MOST]), list(sets.order_by("-decided_at", "-id")[:MOST])
    )


def count(*, programme: Programme, user: User) -> int:
    """Return how many decisions a person has not read. One query."""
    single = unread_requests(programme=programme, user=user).order_by().values_list("decided_at")
    sets = unread_batches(programme=programme, user=user).order_by().values_list("decided_at")
    return single.union(sets, all=True).count()


def _unread(programme: Programme, user: User) -> Q:
    return Q(programme=programme, asked_by=user, decided_at__isnull=False, read_at__isnull=True)
