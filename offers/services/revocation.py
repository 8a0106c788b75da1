"""Taking an assignment back from its member, with a reason, or as a slip of a moment ago.

The row stays. A code that was never shown leaves it and goes back into its bank in the same transaction; one that was
shown stays with its assignment for good (D-10). The event keeps which code it was. One that was used in part may be
revoked, as fraud needs it, but stays counted: in the desk's ledger and in limits (B-05, D-05).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from loyalty.database import in_transaction
from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import Assignment, DoorEntry, Source
from offers.services import grant_ledger, verb, voucher_tape
from offers.services.verb import By

# The desk's toast offers undo for ten seconds and waits under the pointer; the service is a little more patient.
UNDO_SECONDS = 120


@dataclass(frozen=True)
class Revocation:
    """What came of it: `revoked` or `undone`, or why not.

    Refusals: `already_revoked`, `used_up`, `closed`; of undoing also `redeemed` (used in part), `too_late`.
    """

    code: str
    revoked_at: datetime | None = None

    @property
    def is_revoked(self) -> bool:
        return self.code in {"revoked", "undone", "already_revoked"}


def revoke(
    *, programme: Programme, assignment_id: UUID, reason: str, now: datetime, by: By = verb.NOBODY
) -> Revocation:
    """Take the assignment back: her list no longer shows it, no till takes it, and she may be given the offer again.

    Again is the same answer and changes nothing; one that is used up or closed is refused. The event keeps reason,
    holding and the code that went back, so that what was stays known. Where uses of it stand, the grant and its share
    of limits stay counted. Raises NotFound, also for another programme's.

    Lock order: the assignment's row, then the member's count and the limits that its share goes back to, then its code;
    no open segment is locked, for what goes back is a new one.
    (D-01, D-10, B-02)
    """
    return in_transaction(lambda: _take_back(programme, assignment_id, "revoked", reason, by, now))


def undo(*, programme: Programme, assignment_id: UUID, by: By, now: datetime) -> Revocation:
    """Take back one's own grant of a moment ago, without a reason: a person's at her door, or an API client's.

    After `UNDO_SECONDS` the answer is `too_late`: then it is a revocation, with a reason. What she used is no slip: the
    answer is `redeemed`. Raises NotFound where the grant was not hers. Otherwise as `revoke`. (B-05)
    """

    def work() -> Revocation:
        # By the member, because that is how entries are indexed.
        member = Assignment.objects.of_programme(programme).filter(pk=assignment_id).values("member_id")
        entries = DoorEntry.objects.filter(
            programme=programme, door__in=_doors(by), assignment_id=assignment_id, member__in=member
        )
        if by.actor is not None:
            entries = entries.filter(actor=by.actor)
        else:
            entries = entries.filter(instance=by.api_client.prefix if by.api_client else "")
        entry = entries.order_by("created_at").first()
        if entry is None:
            raise NotFound(_("There is nothing of yours to undo here."))
        if now - entry.created_at > timedelta(seconds=UNDO_SECONDS):
            return Revocation("too_late")
        return _take_back(programme, assignment_id, "undone", "undone", by, now)

    return in_transaction(work)


def _doors(by: By) -> list[Source]:
    """Return the doors that are hers: an API client's grants in sets are its own as well (S0-36)."""
    return [Source.API, Source.BULK_PRODUCER] if by.source == Source.API else [by.source or Source.SUPPORT]


def _take_back(
    programme: Programme, assignment_id: UUID, as_verb: str, reason: str, by: By, now: datetime
) -> Revocation:
    held = verb.lock(programme=programme, assignment_id=assignment_id)
    if held.revoked_at:
        return Revocation("already_revoked", held.revoked_at)
    if held.used_up_at or held.closed_at:
        return Revocation("used_up" if held.used_up_at else "closed")
    is_used = held.redemptions.standing().exists()
    if is_used and as_verb == "undone":
        return Revocation("redeemed")
    unseen = verb.end(held, "revoked_at", as_verb, by=by, now=now, reason=reason, is_freed=True, is_used=is_used)
    if not is_used:
        # Here and not in `verb.end`: reissuing keeps the grant, and what runs and imports take back was no agent's.
        grant_ledger.take_back(held=held, now=now)
    if unseen:
        voucher_tape.give_back(code_ids=[unseen.pk])
    return Revocation(as_verb, now)
