"""Closing an assignment before it is used: the member declines it, or staff close it (D-01, D-10)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from loyalty.database import in_transaction
from loyalty.models import Programme
from offers.services import verb, voucher_tape
from offers.services.verb import By

ONE_OPEN = -1


@dataclass(frozen=True)
class Closing:
    """What came of it: `closed` or `declined`, or `already_closed`; refusals: `revoked`, `used_up`, `expired`."""

    code: str
    closed_at: datetime | None = None

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None


def close(*, programme: Programme, assignment_id: UUID, reason: str, by: By, now: datetime) -> Closing:
    """Close an assignment for its member, with a reason; uses already made stay.

    What she held stays held, so that she is not given the same again, except where she may have one open at a time
    (D-01). A code that nobody saw goes back to its bank (D-10). Again is the same answer. Raises NotFound.
    """
    return in_transaction(lambda: _close(programme, None, assignment_id, "closed", reason, by, now))


def decline(*, programme: Programme, member_id: int, assignment_id: UUID, by: By, now: datetime) -> Closing:
    """The member does not want it: as `close`, for her own only. Raises NotFound, also for another member's."""
    return in_transaction(lambda: _close(programme, member_id, assignment_id, "declined", "", by, now))


def _close(
    programme: Programme,
    member_id: int | None,
    assignment_id: UUID,
    as_verb: str,
    reason: str,
    by: By,
    now: datetime,
) -> Closing:
    held = verb.lock(programme=programme, assignment_id=assignment_id, member_id=member_id)
    if held.revoked_at or held.used_up_at:
        return Closing("revoked" if held.revoked_at else "used_up")
    if held.closed_at:
        return Closing("already_closed", held.closed_at)
    if held.ends_at and held.ends_at <= now:
        return Closing("expired")
    unseen = verb.end(held, "closed_at", as_verb, by=by, now=now, reason=reason, is_freed=held.holding_key == ONE_OPEN)
    if unseen:
        voucher_tape.give_back(code_ids=[unseen.pk])
    return Closing(as_verb, now)
