"""Doing a planned mass assignment: chunks by any number of workers (DESIGN 4, D-05).

A worker may die at any line: a chunk commits whole, with its done mark, or not at all; attempts are counted before the
work. Lock order: the run's lock (see `lock_run`), its row, its chunk, the bank's segments.
"""

from collections.abc import Callable
from datetime import datetime

import orjson
import structlog
from django.conf import settings
from django.db.models import F, Q

from loyalty.database import in_transaction, rows
from offers.models import MassAssignment, MassAssignmentChunk
from offers.services import assignment, audience, chunk, reservation, run_notification
from offers.services.planning import plan
from offers.services.run_lock import lock_run

log = structlog.get_logger(__name__)
State = MassAssignment.State


def do_next_chunk(*, run_id: int, now: datetime) -> bool:
    """Take one open chunk of a running mass assignment and do it; return whether there was one. (S4-27, C-04)"""
    return chunk.do_next(
        MassAssignmentChunk,
        run="run_id",
        run_id=run_id,
        state=State.RUNNING,
        work=lambda chunk_id, attempt: _do_chunk(run_id, chunk_id, attempt, now),
        now=now,
    )


def _do_chunk(run_id: int, chunk_id: int, attempt: int, now: datetime) -> None:
    # Under the lock nobody gives codes back while they are being handed out.
    lock_run(run_id=run_id, is_shared=True)
    run = MassAssignment.objects.select_related("config_offer", "template", "programme").get(pk=run_id)
    obstacle = audience.obstacle(run=run, now=now)
    if run.state == State.RUNNING and obstacle:
        MassAssignment.objects.filter(pk=run_id, state=State.RUNNING).update(
            state=State.PAUSED, failure=obstacle, updated_at=now
        )
        log.warning("mass_assignment.stopped", run=run_id, **obstacle)
    if run.state != State.RUNNING or obstacle:
        # Paused or cancelled between taking the chunk and the lock: that was no attempt.
        MassAssignmentChunk.objects.filter(pk=chunk_id, attempts=attempt, done_at__isnull=True).update(
            attempts=F("attempts") - 1, leased_until=None
        )
        return
    found = rows(
        """
        SELECT number, first_member_id, last_member_id FROM offers_massassignmentchunk
         WHERE id = %s AND attempts = %s AND done_at IS NULL AND failed_at IS NULL
           FOR UPDATE
        """,
        [chunk_id, attempt],
    )
    if not found:
        return
    chunk = found[0]
    done = assignment.assign_chunk(
        has_own_values=bool(run.member_values),
        parameters={
            "programme_id": run.programme_id,
            "run_id": run.pk,
            "chunk": chunk["number"],
            "first_member_id": chunk["first_member_id"],
            "last_member_id": chunk["last_member_id"],
            "config_offer_id": run.config_offer_id,
            "revision_id": run.revision_id,
            "template_id": run.template_id,
            "campaign_id": run.campaign_id,
            "holding_key": run.holding_key,
            "rank": run.rank,
            "starts_at": run.starts_at,
            "ends_at": run.ends_at,
            "acceptance_required": run.acceptance_required,
            "exposure_minor": run.exposure_minor,
            "terms": orjson.dumps(run.terms).decode() if run.terms else None,
            "actor_id": run.launched_by_id,
            "now": now,
            "synchronized_at": None if run.to_synchronize else now,
            "require_vouchers": run.require_vouchers,
        },
    )
    MassAssignmentChunk.objects.filter(pk=chunk_id).update(
        done_at=now,
        leased_until=None,
        failure="",
        assigned=done.assigned,
        refused=done.refused,
        exposure_minor=done.exposure_minor,
    )


def finish(*, run_id: int, now: datetime) -> bool:
    """Close a run all of whose chunks are done or given up, give leftovers back, and return whether it closed.

    A statement of its own after the last chunk's commit: workers finishing together cannot both miss it.
    """

    def work() -> bool:
        lock_run(run_id=run_id)
        run = MassAssignment.objects.select_for_update().get(pk=run_id)
        if run.state == State.CANCELLED:
            reservation.release(run=run, now=now)
        if run.state != State.RUNNING:
            return False
        chunks = MassAssignmentChunk.objects.filter(run=run)
        # Whoever took it three times died each time: give the chunk up, and show why.
        chunks.filter(
            done_at__isnull=True, failed_at__isnull=True, attempts__gte=settings.MASS_ASSIGNMENT_ATTEMPTS
        ).filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now)).update(failed_at=now, leased_until=None)
        if chunks.filter(done_at__isnull=True, failed_at__isnull=True).exists():
            return False
        failed = chunks.filter(failed_at__isnull=False).exists()
        reservation.release(run=run, now=now)
        MassAssignment.objects.filter(pk=run_id).update(
            state=State.FINISHED_WITH_ERRORS if failed else State.FINISHED, finished_at=now, updated_at=now
        )
        run_notification.tell_end(run_id=run_id, now=now)
        return True

    return in_transaction(work)


def run_to_end(*, run_id: int, clock: Callable[[], datetime]) -> MassAssignment:
    """Plan and do a launched run in this process, as the command line and the demo do; return it as it ended."""
    plan(run_id=run_id, now=clock())
    while do_next_chunk(run_id=run_id, now=clock()):
        pass
    finish(run_id=run_id, now=clock())
    return MassAssignment.objects.get(pk=run_id)
