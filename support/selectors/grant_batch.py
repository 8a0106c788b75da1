"""Sets of grants to many members, and their lines, as people may see them (B-05)."""

from uuid import UUID

from django.db.models import Q, QuerySet

from loyalty.errors import NotFound
from loyalty.models import Programme, User
from support.models import GrantBatch, GrantBatchLine

SEES_ALL = ("support.view_grantbatch", "support.approve_grantrequest")


def seen_by(*, programme: Programme, user: User) -> QuerySet[GrantBatch]:
    """Return a person's own sets, or everybody's for who approves or looks after them."""
    found = GrantBatch.objects.filter(programme=programme).select_related(
        "asked_by", "decided_by", "template__config_offer__current_revision", "programme"
    )
    if any(user.has_perm(name) for name in SEES_ALL):
        return found
    return found.filter(Q(asked_by=user) | Q(decided_by=user))


def waiting(*, programme: Programme) -> QuerySet[GrantBatch]:
    """Return the sets that wait for a second person, the oldest first."""
    found = GrantBatch.objects.filter(programme=programme, state=GrantBatch.State.WAITING)
    return found.select_related("asked_by", "template__config_offer__current_revision").order_by("asked_at")


def get(*, programme: Programme, user: User, batch_id: UUID) -> GrantBatch:
    """Return a set that the person may see. Raises NotFound for any other."""
    batch = seen_by(programme=programme, user=user).filter(pk=batch_id).first()
    if batch is None:
        raise NotFound("There is no such set of grants here.")
    return batch


def lines(*, found: GrantBatch, outcome: str = "") -> QuerySet[GrantBatchLine]:
    """Return what became of each one named, in the list's order; of one outcome where it is given."""
    every = GrantBatchLine.objects.filter(batch=found).select_related("member").order_by("place")
    return every.filter(outcome=outcome) if outcome else every
