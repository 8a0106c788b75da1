"""Chunks of runs and of their undoing: taken by one worker each, done in a transaction, and what ails one is noted.

Attempts are counted, and committed, before the work; the fence is the attempt's number. (S4-27, B-04, C-04)
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError

from loyalty.database import first_line, in_transaction, is_retryable, rows
from offers.models import MassAssignmentChunk, MassAssignmentUndoChunk

log = structlog.get_logger(__name__)
# How long a chunk waits after a database error, times its attempts.
BACK_OFF = timedelta(seconds=5)

# Which chunk a worker may take: not done, not given up, and leased by nobody who lives.
TAKE = """
    UPDATE {table} AS chunk
       SET attempts = attempts + 1, leased_until = %(now)s + %(lease)s
     WHERE id = (
        SELECT open.id
          FROM {table} AS open
          JOIN offers_massassignment AS run ON run.id = open.{run}
         WHERE open.{run} = %(run_id)s
           AND run.state = %(state)s
           AND open.done_at IS NULL
           AND open.failed_at IS NULL
           AND open.attempts < %(attempts)s
           AND (open.leased_until IS NULL OR open.leased_until < %(now)s)
         ORDER BY open.number
         LIMIT 1
           FOR UPDATE OF open SKIP LOCKED
     )
    RETURNING id, attempts
"""


def do_next(
    model: type[MassAssignmentChunk] | type[MassAssignmentUndoChunk],
    *,
    run: str,
    run_id: int,
    state: str,
    work: Callable[[int, int], None],
    now: datetime,
) -> bool:
    """Take one open chunk of a run in this state and do it; return whether there was one.

    `run` is the column that names it; `work` gets the chunk's id and the attempt's number.
    """
    taken = rows(
        TAKE.format(table=model._meta.db_table, run=run),
        {
            "run_id": run_id,
            "state": state,
            "now": now,
            "lease": timedelta(seconds=settings.MASS_ASSIGNMENT_LEASE_SECONDS),
            "attempts": settings.MASS_ASSIGNMENT_ATTEMPTS,
        },
    )
    if not taken:
        return False
    chunk_id, attempt = taken[0]["id"], taken[0]["attempts"]
    try:
        in_transaction(lambda: work(chunk_id, attempt))
    except DatabaseError as error:
        cause, wait = "deadlock", timedelta()
        if not is_retryable(error):
            cause, wait = first_line(error), BACK_OFF * attempt
            log.exception("chunk.failed", table=model._meta.db_table, run=run_id, chunk=chunk_id, attempt=attempt)
        # What ails the database for a moment must not use up a chunk's attempts in that moment.
        model.objects.filter(pk=chunk_id, attempts=attempt, done_at__isnull=True).update(
            leased_until=now + wait, failure=cause
        )
    return True
