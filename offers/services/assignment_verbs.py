"""What happens to one assignment after it was issued: compare-and-set, each with an event that keeps who and when.

Every verb looks at the row in the very statement that changes it, so two at once never both win.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from loyalty.models import ApiClient, User
from loyalty.services import outbox
from offers.models import Assignment, AssignmentEvent, Source, VoucherCode

# A code is shown only while the offer can be used: once revoked never, so a code that was not shown by then goes back
# to its bank (D-10, `revocation`).
_NOT_OVER = Q(revoked_at__isnull=True, closed_at__isnull=True, used_up_at__isnull=True)
_ALIVE = _NOT_OVER & Q(synchronized_at__isnull=False)


@dataclass(frozen=True)
class Acceptance:
    """What came of accepting: `accepted`, `already_accepted`, or the reason why not.

    Refusals: `not_found`, `not_required`, `waiting_for_till`, `expired`, `used_up`, `closed`, `revoked`.
    """

    code: str
    accepted_at: datetime | None = None

    @property
    def is_accepted(self) -> bool:
        return self.accepted_at is not None


def accept(
    *,
    member_id: int,
    assignment_id: UUID,
    now: datetime,
    source: Source | None = None,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> Acceptance:
    """Confirm an offer that its member has to accept (S1-16, S1-18); again is the same answer and changes nothing.

    Without source, actor and client it was the member herself.
    """
    with transaction.atomic():
        changed = (
            Assignment.objects.filter(_ALIVE, _open(now), pk=assignment_id, member_id=member_id)
            .filter(acceptance_required=True, accepted_at__isnull=True)
            .update(accepted_at=now, seen_at=Coalesce(F("seen_at"), now), updated_at=now)
        )
        if changed:
            _record(assignment_id, "accepted", now=now, source=source, actor=actor, api_client=api_client)
            # Who sends messages, and who measures (S1-17), hears of it.
            held = Assignment.objects.select_related("config_offer__programme").get(pk=assignment_id)
            outbox.write(
                programme=held.config_offer.programme,
                type="assignment.accepted",
                config_offer_id=held.config_offer_id,
                assignment_ids=[assignment_id],
                is_synchronized=True,
            )
            return Acceptance("accepted", accepted_at=now)
    return _why_not(member_id=member_id, assignment_id=assignment_id, now=now)


def mark_seen(*, member_id: int, assignment_id: UUID, now: datetime) -> bool:
    """Note that the member opened the offer; true the first time."""
    with transaction.atomic():
        changed = Assignment.objects.filter(pk=assignment_id, member_id=member_id, seen_at__isnull=True).update(
            seen_at=now, updated_at=now
        )
        if changed:
            _record(assignment_id, "seen", now=now)
    return bool(changed)


def expose(
    *,
    member_id: int,
    assignment_id: UUID,
    now: datetime,
    source: Source | None = None,
    actor: User | None = None,
    api_client: ApiClient | None = None,
    is_till: bool = False,
) -> str | None:
    """Return the voucher code to show, recorded as exposed first (D-10); None where there is none to show.

    From then on the code never goes back into its bank, so a door calls this before any answer carries the code. A
    till is shown it before it has confirmed the assignment, too: it has to know what it confirms (S4-15).
    """
    alive = _NOT_OVER if is_till else _ALIVE
    with transaction.atomic():
        changed = (
            Assignment.objects.filter(alive, _open(now), pk=assignment_id, member_id=member_id)
            .filter(exposed_at__isnull=True, voucher_code__isnull=False)
            .update(exposed_at=now, updated_at=now)
        )
        if changed:
            _record(assignment_id, "exposed", now=now, source=source, actor=actor, api_client=api_client)
    return (
        VoucherCode.objects.filter(
            pk__in=Assignment.objects.filter(
                alive, pk=assignment_id, member_id=member_id, exposed_at__isnull=False
            ).values("voucher_code"),
            voided_at__isnull=True,
        )
        .values_list("code", flat=True)
        .first()
    )


def _open(now: datetime) -> Q:
    return Q(ends_at__isnull=True) | Q(ends_at__gt=now)


def _why_not(*, member_id: int, assignment_id: UUID, now: datetime) -> Acceptance:
    assignment = Assignment.objects.filter(pk=assignment_id, member_id=member_id).first()
    if assignment is None:
        return Acceptance("not_found")
    if assignment.accepted_at and not assignment.revoked_at:
        return Acceptance("already_accepted", accepted_at=assignment.accepted_at)
    status = assignment.status(now)
    if status in ("revoked", "used_up", "closed", "expired", "waiting_for_till"):
        return Acceptance(status)
    return Acceptance("not_required")


def _record(
    assignment_id: UUID,
    verb: str,
    *,
    now: datetime,
    source: Source | None = None,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> None:
    AssignmentEvent.objects.create(
        assignment_id=assignment_id,
        at=now,
        verb=verb,
        source=source,
        actor=actor,
        api_client=api_client,
        data={f"{verb}_at": [None, now.isoformat()]},
    )
