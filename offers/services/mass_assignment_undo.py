"""Undoing a whole run: every assignment that nobody used is taken back, in chunks by any number of workers (B-04).

As a run does (`execution`): rows are the truth, attempts are counted before the work, a chunk commits whole with its
done mark or not at all, and "undone" is a statement of its own after the last one. Lock order: the run's lock (chunks
share it), the chunk, its assignments in the order of their ids, members' counts, limits, then the codes that go back
(docs/locking.md).
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from loyalty.database import execute, in_transaction, rows
from loyalty.errors import Conflict
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import MassAssignment, MassAssignmentUndo, MassAssignmentUndoChunk, Source
from offers.models.limit import day_of
from offers.selectors import mass_assignment_undo as selectors
from offers.services import chunk as chunks
from offers.services import limit, reservation, run_notification, voucher_tape
from offers.services import mass_assignment_undo_statements as statements
from offers.services.mass_assignment import NotLaunchable
from offers.services.run_lock import lock_run

log = structlog.get_logger(__name__)
State = MassAssignment.State
UNDOABLE = (State.FINISHED, State.FINISHED_WITH_ERRORS, State.CANCELLED)


class NothingToUndo(Conflict):
    """The run assigned nobody."""

    code = "nothing_to_undo"


def start(
    *,
    run: MassAssignment,
    actor: User | None,
    now: datetime,
    reason: str = "",
    api_client: ApiClient | None = None,
) -> MassAssignment:
    """Begin to take everything back that the run gave and nobody used; return the run, `undoing`.

    The caller rings the workers after the commit. Of two clicks one begins it, and the other raises NotLaunchable, as
    for a run that is still at work or failed; NothingToUndo where it assigned nobody. On a run whose undo gave chunks
    up it begins again with those. (B-04)
    """

    def work() -> MassAssignment:
        lock_run(run_id=run.pk)
        before = MassAssignment.objects.values_list("state", flat=True).get(pk=run.pk)
        if before == State.UNDOING:
            return _again(run, actor, api_client)
        moved = MassAssignment.objects.filter(pk=run.pk, state__in=UNDOABLE).update(state=State.UNDOING, updated_at=now)
        run.refresh_from_db()
        if not moved:
            raise NotLaunchable(
                _("“%(run)s” is %(state)s: that cannot be undone now.")
                % {"run": run.name, "state": run.get_state_display()}
            )
        MassAssignmentUndo.objects.create(
            run=run,
            reason=reason.strip()[:200],
            state_before=before,
            started_by=actor,
            api_client=api_client,
            started_at=now,
        )
        if not execute(statements.CUT, {"run_id": run.pk}):
            raise NothingToUndo(_("“%(run)s” assigned nobody: there is nothing to undo.") % {"run": run.name})
        audit.record(
            action="mass_assignment.undo_started",
            actor=actor,
            api_client=api_client,
            programme=run.programme,
            target=run,
            data={"reason": reason.strip()[:200]} if reason.strip() else {},
        )
        return run

    try:
        return in_transaction(work)
    except Conflict:
        # What was written is undone; so is what the instance in hand says.
        run.refresh_from_db()
        raise


def _again(run: MassAssignment, actor: User | None, api_client: ApiClient | None) -> MassAssignment:
    given_up = MassAssignmentUndoChunk.objects.filter(undo=run.pk, failed_at__isnull=False)
    moved = given_up.update(attempts=0, failed_at=None, leased_until=None)
    run.refresh_from_db()
    if not moved:
        raise NotLaunchable(_("“%(run)s” is being undone already.") % {"run": run.name})
    audit.record(
        action="mass_assignment.undo_retried", actor=actor, api_client=api_client, programme=run.programme, target=run
    )
    return run


def do_next_chunk(*, run_id: int, now: datetime) -> bool:
    """Take one open chunk of a run that is being undone and take it back; return whether there was one. (B-04, C-04)"""
    return chunks.do_next(
        MassAssignmentUndoChunk,
        run="undo_id",
        run_id=run_id,
        state=State.UNDOING,
        work=lambda chunk_id, attempt: _do_chunk(run_id, chunk_id, attempt, now),
        now=now,
    )


def _do_chunk(run_id: int, chunk_id: int, attempt: int, now: datetime) -> None:
    lock_run(run_id=run_id, is_shared=True)
    undo = MassAssignmentUndo.objects.select_related("run__programme").get(pk=run_id)
    chunk = (
        MassAssignmentUndoChunk.objects.select_for_update()
        .filter(pk=chunk_id, attempts=attempt, done_at__isnull=True, failed_at__isnull=True)
        .first()
    )
    if chunk is None or undo.run.state != State.UNDOING:
        return
    # As for a chunk that assigns: no plan may read a whole table for lack of statistics.
    execute("SELECT set_config('enable_seqscan', 'off', true), set_config('work_mem', '64MB', true)")
    chunk.revoked_at, chunk.counts = take_back_chunk(undo=undo, chunk=chunk, now=now)
    chunk.done_at, chunk.leased_until, chunk.failure = now, None, ""
    chunk.save(update_fields=["revoked_at", "counts", "done_at", "leased_until", "failure"])


def take_back_chunk(
    *, undo: MassAssignmentUndo, chunk: MassAssignmentUndoChunk, now: datetime
) -> tuple[datetime, dict[str, int]]:
    """Take back what one chunk gave and nobody used: rows, events, outbox, limits and codes, in a fixed number of
    statements; return the moment that those carry, and how many met what. The chunk is locked. (B-04, D-10)
    """
    run = undo.run
    parameters: dict[str, Any] = {
        "run_id": run.pk,
        "programme_id": run.programme_id,
        "config_offer_id": run.config_offer_id,
        "campaign_id": run.campaign_id,
        "chunk": chunk.number,
        "first_member_id": chunk.first_member_id,
        "last_member_id": chunk.last_member_id,
        "source": Source.API if undo.api_client_id else Source.MASS_ASSIGNMENT,
        "actor_id": undo.started_by_id,
        "api_client_id": undo.api_client_id,
        "reason": undo.reason,
    }
    latest = rows(statements.LOCK, parameters)[0]["latest"]
    moment = now if latest is None or latest < now else latest + timedelta(microseconds=1)
    parameters |= {"now": moment, "moment": moment.isoformat()}
    found = rows(statements.TAKE_BACK, parameters)[0]
    code_ids, exposure = found.pop("code_ids"), found.pop("exposure_minor")
    if found["revoked"]:
        _give_back_limits(run, parameters, found["revoked"], exposure, now)
    found["returned"] = voucher_tape.give_back(code_ids=code_ids) if code_ids else 0
    # Made void in this very moment.
    found["other"] += len(code_ids) - found["returned"]
    return moment, found


def _give_back_limits(
    run: MassAssignment, parameters: Mapping[str, Any], revoked: int, exposure_minor: int, now: datetime
) -> None:
    campaigns = [run.campaign_id] if run.campaign_id else []
    if campaigns:
        execute(statements.COUNT_BACK, parameters)
    limits = limit.lock(offer_ids=[run.config_offer_id], campaign_ids=campaigns)
    if limits:
        # A run reserved for all of its members on the day it was planned.
        day = day_of(run.planned_at or now, run.programme.zone)
        limit.move({one.pk: (-revoked, -exposure_minor) for one in limits}, {one.pk: day for one in limits})


def finish(*, run_id: int, now: datetime) -> bool:
    """Call a run undone all of whose chunks were taken back; return whether it is so from now on.

    With chunks that were given up it stays `undoing`, shows their causes, and waits for somebody to try again.
    """

    def work() -> bool:
        lock_run(run_id=run_id)
        run = MassAssignment.objects.select_for_update().get(pk=run_id)
        if run.state != State.UNDOING:
            return False
        chunks = MassAssignmentUndoChunk.objects.filter(undo=run_id)
        chunks.filter(
            done_at__isnull=True, failed_at__isnull=True, attempts__gte=settings.MASS_ASSIGNMENT_ATTEMPTS
        ).filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now)).update(failed_at=now, leased_until=None)
        if chunks.filter(done_at__isnull=True).exists():
            return False
        # A large run that was cancelled and undone at once may still hold codes and shares that nobody got.
        reservation.release(run=run, now=now)
        MassAssignmentUndo.objects.filter(pk=run_id).update(finished_at=now)
        MassAssignment.objects.filter(pk=run_id).update(state=State.UNDONE, updated_at=now)
        undo = MassAssignmentUndo.objects.select_related("started_by", "api_client").get(pk=run_id)
        audit.record(
            action="mass_assignment.undone",
            actor=undo.started_by,
            api_client=undo.api_client,
            programme=run.programme,
            target=run,
            data=selectors.totals(run_id=run_id),
        )
        run_notification.tell_end(run_id=run_id, now=now)
        return True

    return in_transaction(work)


def run_to_end(*, run_id: int, clock: Callable[[], datetime]) -> MassAssignment:
    """Take a whole run back in this process, as tests and commands do; return it as it ended."""
    while do_next_chunk(run_id=run_id, now=clock()):
        pass
    finish(run_id=run_id, now=clock())
    return MassAssignment.objects.get(pk=run_id)


def waiting_runs(*, now: datetime) -> list[int]:
    """Return the runs whose undo should be going on and has nobody at it, for the sweeper."""
    chunks = MassAssignmentUndoChunk.objects.filter(undo=OuterRef("pk"), done_at__isnull=True)
    found = MassAssignment.objects.filter(state=State.UNDOING).exclude(Exists(chunks.filter(leased_until__gte=now)))
    # With chunks given up and none open it waits for a person.
    is_stuck = Exists(chunks.filter(failed_at__isnull=False)) & ~Exists(chunks.filter(failed_at__isnull=True))
    return list(found.exclude(is_stuck).values_list("pk", flat=True))
