"""Sets of grants to many members, and their lines, as people may see them (B-05)."""

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from loyalty.errors import NotFound
from loyalty.models import Member, Programme, User
from support.models import GrantBatch, GrantBatchLine

# Of one explanation.
MOST = 10
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


def of_offer(*, member: Member, offer_id: int, now: datetime) -> list[GrantBatch]:
    """Return the sets that wait and are to give a member one offer, the oldest first."""
    # What has an outcome already is left out of the set, whatever is decided about it.
    hers = GrantBatchLine.objects.filter(batch=OuterRef("pk"), member=member, outcome="")
    found = waiting(programme=member.programme).filter(template__config_offer=offer_id, expires_at__gt=now)
    return list(found.filter(Exists(hers))[:MOST])


def is_seen_by(*, batch: GrantBatch, user: User) -> bool:
    """Say whether a person may open a set: her own, or any where she approves or looks after them."""
    return user.pk in {batch.asked_by_id, batch.decided_by_id} or any(user.has_perm(name) for name in SEES_ALL)


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
