"""Whose turn it is: several runs at once share the workers fairly.

A worker's message names one run, but the worker serves all: after each chunk it takes the next one from the run that
has the fewest workers, and of those equal in this the one that waited longest. So a small run that is launched behind
a huge one is planned after a chunk, and ends long before it.
"""

from datetime import datetime

from django.conf import settings

from loyalty.database import rows
from offers.models import MassAssignmentChunk
from offers.services import execution, planning

# Runs with a chunk that may be taken. A chunk in somebody's hands, and one that waits after an error, holds a lease.
# One reading of the open runs' chunks: some forty a run of a million.
ORDER = """
    SELECT run.id
      FROM offers_massassignment AS run
      JOIN offers_massassignmentchunk AS chunk ON chunk.run_id = run.id
     WHERE run.state = 'running'
     GROUP BY run.id
    HAVING bool_or(chunk.done_at IS NULL AND chunk.failed_at IS NULL AND chunk.attempts < %(attempts)s
                   AND (chunk.leased_until IS NULL OR chunk.leased_until < %(now)s))
     ORDER BY count(*) FILTER (WHERE chunk.done_at IS NULL AND chunk.failed_at IS NULL
                                 AND chunk.leased_until >= %(now)s),
              coalesce(max(chunk.done_at), run.planned_at), run.id
"""


def order(*, now: datetime) -> list[int]:
    """Return the runs that have a chunk to take, the one whose turn it is first."""
    return [row["id"] for row in rows(ORDER, {"now": now, "attempts": settings.MASS_ASSIGNMENT_ATTEMPTS})]


def next_to_plan(*, now: datetime) -> int | None:
    """Return the run that has waited longest for its planning, or None."""
    return planning.plannable(now=now).order_by("launched_at", "pk").values_list("pk", flat=True).first()


def take(*, now: datetime) -> int | None:
    """Do one chunk of the run whose turn it is and return that run; None when there is none to do.

    The run is finished when that was its last one.
    """
    for run_id in order(now=now):
        # Another worker may have taken the run's last chunk since; then it is the next run's turn.
        if execution.do_next_chunk(run_id=run_id, now=now):
            if not _has_open_chunks(run_id):
                execution.finish(run_id=run_id, now=now)
            return run_id
    return None


def _has_open_chunks(run_id: int) -> bool:
    """Say whether somebody is still to do, or doing, a chunk: whoever is last finishes the run, after its commit."""
    return MassAssignmentChunk.objects.filter(run_id=run_id, done_at__isnull=True, failed_at__isnull=True).exists()
