"""Large runs wait for a second person: above what the programme's administrator set, in members or in money.

What was approved holds for an audience up to a tenth larger. Planning, which freezes the audience, looks at the exact
numbers: a run that grew beyond that waits again, with nothing written.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit
from offers.models import MassAssignment, RunApproval
from offers.services import run_lock, run_notification

State = MassAssignment.State
Cause, Decision = RunApproval.Cause, RunApproval.Decision
# In percent: so much may an audience, or its worst case, have grown since it was approved.
TOLERANCE = 10


class NotApprovable(Conflict):
    """The run waits for no approval, or not for this person's."""

    code = "not_approvable"


class Needed(Exception):
    """Undoes the planning of a run that needs an approval which it has not."""

    def __init__(self, cause: str, members: int, exposure_minor: int) -> None:
        super().__init__()
        self.cause, self.members, self.exposure_minor = cause, members, exposure_minor


def is_large(*, programme: Programme, members: int, exposure_minor: int) -> bool:
    """Say whether a run of this size needs a second person; a worst case that is not known counts as nothing."""
    most, dearest = programme.approval_members, programme.approval_cost_minor
    return (most is not None and members > most) or (dearest is not None and exposure_minor > dearest)


def has_thresholds(programme: Programme) -> bool:
    """Say whether any run of the programme may need an approval."""
    return programme.approval_members is not None or programme.approval_cost_minor is not None


def cause(*, run: MassAssignment, members: int, exposure_minor: int) -> str:
    """Return why the run needs an approval at this size: `size`, `grew`; empty where it needs none, or has it."""
    if not is_large(programme=run.programme, members=members, exposure_minor=exposure_minor):
        return ""
    approved = RunApproval.objects.filter(run=run, decision=Decision.APPROVED).order_by("-id").first()
    if approved is None:
        return str(Cause.SIZE)
    has_grown = _beyond(members, approved.members) or _beyond(exposure_minor, approved.exposure_minor)
    return str(Cause.GREW) if has_grown else ""


def _beyond(now: int, approved: int) -> bool:
    return now * 100 > approved * (100 + TOLERANCE)


@transaction.atomic
def ask(
    *,
    run: MassAssignment,
    cause: str,
    members: int,
    exposure_minor: int,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> None:
    """Let a scheduled run wait for approval; a request by hand and one of planning are told apart by their cause."""
    moved = MassAssignment.objects.filter(pk=run.pk, state=State.SCHEDULED).update(
        state=State.AWAITING_APPROVAL, leased_until=None, planning_attempts=0, updated_at=now
    )
    if not moved:
        return
    asked = RunApproval.objects.create(
        run=run,
        cause=cause,
        members=members,
        exposure_minor=exposure_minor,
        requested_by=actor,
        requested_client=api_client,
        requested_at=now,
    )
    audit.record(
        action="mass_assignment.approval_asked",
        actor=actor,
        api_client=api_client,
        programme=run.programme,
        target=run,
        data={"cause": cause, "members": members, "exposure_minor": exposure_minor},
    )
    run_notification.tell_approvers(run=run, approval=asked, now=now)


def approve(
    *, run: MassAssignment, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MassAssignment:
    """Let the run go on, at the size that was asked for; the caller rings the workers.

    Raises NotApprovable for whoever launched it, and where it waits for nothing: of two clicks one approves.
    """
    return _decide(run, Decision.APPROVED, State.SCHEDULED, "", actor, api_client, now)


def decline(
    *, run: MassAssignment, reason: str, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MassAssignment:
    """Cancel the run with a reason for whoever launched it. Raises NotApprovable as `approve`, and InvalidInput."""
    given = reason.strip()
    if not given or len(given) > 500:
        raise InvalidInput(_("Say why, in up to 500 characters."), code="missing_reason")
    return _decide(run, Decision.DECLINED, State.CANCELLED, given, actor, api_client, now)


def _decide(
    run: MassAssignment,
    decision: str,
    to: str,
    reason: str,
    actor: User | None,
    api_client: ApiClient | None,
    now: datetime,
) -> MassAssignment:
    with transaction.atomic():
        run_lock.lock_run(run_id=run.pk)
        asked = RunApproval.objects.filter(run=run, decision="").first()
        run.refresh_from_db()
        if asked is None or run.state != State.AWAITING_APPROVAL:
            words = {"run": run.name, "state": run.get_state_display()}
            raise NotApprovable(_("“%(run)s” waits for no approval: it is %(state)s.") % words)
        if _is_own(run, asked, actor, api_client):
            raise NotApprovable(_("You launched “%(run)s”. Ask somebody else to approve it.") % {"run": run.name})
        asked.decision, asked.reason = decision, reason
        asked.decided_by, asked.decided_at = actor, now
        asked.save(update_fields=["decision", "reason", "decided_by", "decided_at"])
        run.state = to
        if to == State.CANCELLED:
            run.failure, run.finished_at = {"code": "declined", "message": reason}, now
        run.save(update_fields=["state", "failure", "finished_at", "updated_at"])
        audit.record(
            action=f"mass_assignment.{decision}",
            actor=actor,
            api_client=api_client,
            programme=run.programme,
            target=run,
            data={"members": asked.members, "exposure_minor": asked.exposure_minor, "reason": reason},
        )
        if to == State.CANCELLED:
            run_notification.tell_end(run_id=run.pk, now=now)
    return run


def _is_own(run: MassAssignment, asked: RunApproval, actor: User | None, api_client: ApiClient | None) -> bool:
    """Say whether this is who launched the run: a person, or a key."""
    people = {asked.requested_by_id, run.launched_by_id} - {None}
    if actor is not None:
        return actor.pk in people
    return api_client is None or api_client.pk == asked.requested_client_id


def withdraw(*, run: MassAssignment, actor: User | None, now: datetime) -> None:
    """Close the request of a run that is cancelled while it waits. The run is locked."""
    RunApproval.objects.filter(run=run, decision="").update(
        decision=Decision.WITHDRAWN, decided_by=actor, decided_at=now
    )
