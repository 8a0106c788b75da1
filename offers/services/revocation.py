"""Taking an assignment back from its member.

The row stays. A code that was never shown leaves it and goes back into its bank in the same transaction; one that was
shown stays with its assignment for good (D-10). The event keeps which code it was.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from loyalty.database import in_transaction
from loyalty.errors import NotFound
from loyalty.models import ApiClient, Programme, User
from loyalty.services import outbox
from offers.models import Assignment, AssignmentEvent, Source, VoucherCode
from offers.services import voucher_tape


@dataclass(frozen=True)
class Revocation:
    """What came of it: `revoked`, or why not: `already_revoked`, `used_up`, `closed`."""

    code: str
    revoked_at: datetime | None = None

    @property
    def is_revoked(self) -> bool:
        return self.code in {"revoked", "already_revoked"}


def revoke(
    *,
    programme: Programme,
    assignment_id: UUID,
    reason: str,
    now: datetime,
    source: Source | None = None,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> Revocation:
    """Take the assignment back: her list no longer shows it, no till takes it, and she may be given the offer again.

    Again is the same answer and changes nothing; one that is used up or closed is refused. The event keeps reason,
    holding and the code that went back, so that what was stays known. Raises NotFound, also for another programme's.

    Lock order: the assignment's row, then its code; no open segment is locked, for what goes back is a new one.
    (D-01, D-10, B-02)
    """

    def work() -> Revocation:
        held = (
            Assignment.objects.select_for_update(of=("self",))
            .filter(pk=assignment_id, member__programme=programme)
            .first()
        )
        if held is None:
            raise NotFound("There is no such assignment here.")
        if held.revoked_at:
            return Revocation("already_revoked", held.revoked_at)
        if held.used_up_at or held.closed_at:
            return Revocation("used_up" if held.used_up_at else "closed")
        # Showing a code is an update of this row, which is locked: nobody sees it from here on.
        unseen = _unseen_code(held)
        freed: dict[str, Any] = {"voucher_code": None} if unseen else {}
        Assignment.objects.filter(pk=held.pk).update(revoked_at=now, holding_key=None, updated_at=now, **freed)
        AssignmentEvent.objects.create(
            assignment=held,
            at=now,
            verb="revoked",
            source=source,
            actor=actor,
            api_client=api_client,
            data={
                "reason": reason,
                "revoked_at": [None, now.isoformat()],
                "holding_key": [held.holding_key, None],
            }
            | ({"voucher_code": [{"id": unseen.pk, "code": unseen.code}, None]} if unseen else {}),
        )
        if unseen:
            voucher_tape.give_back(code_ids=[unseen.pk])
        outbox.write(
            programme=programme,
            type="assignment.revoked",
            config_offer_id=held.config_offer_id,
            assignment_ids=[held.pk],
            is_synchronized=held.is_synchronized,
            data={"reason": reason},
        )
        return Revocation("revoked", now)

    return in_transaction(work)


def _unseen_code(held: Assignment) -> VoucherCode | None:
    """Return the code that goes back: never shown or used, not void, and one of the bank's tape."""
    if held.exposed_at or held.voucher_code_id is None or held.redemptions.exists():
        return None
    return VoucherCode.objects.filter(pk=held.voucher_code_id, voided_at__isnull=True, segment__isnull=False).first()
