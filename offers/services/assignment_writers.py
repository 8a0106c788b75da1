"""Whoever writes assignments, as those who set limits see them: kept out for a moment, or waited for (D-05)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import OperationalError
from django.utils.translation import gettext as _
from psycopg.errors import LockNotAvailable

from loyalty.database import execute, in_transaction, rows
from loyalty.errors import Conflict

Result = TypeVar("Result")

# How long one try waits for those who are writing assignments; whoever comes after them waits behind it, and must be
# done well before a web process gives up (DATABASE_PATIENCE_SECONDS). Between the tries all of them go on.
PATIENCE = "3s"
TRIES = 3
PAUSE_SECONDS = 0.3
POLL_SECONDS = 0.02
# Whoever changes a row holds this lock to the end of the transaction.
WRITERS = """
    SELECT DISTINCT virtualtransaction AS writer FROM pg_locks
     WHERE locktype = 'relation' AND relation = 'offers_assignment'::regclass AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
       AND pid <> pg_backend_pid()
"""


class Busy(Conflict):
    """Assignments are being written without a pause."""

    code = "assigning_now"


def tried(work: Callable[[], Result]) -> Result:
    """Do the work in a transaction, and again where writers left no gap; whoever waited behind it goes first.

    Raises Busy.
    """
    for _again in range(1, TRIES):
        try:
            return in_transaction(work)
        except Busy:
            time.sleep(PAUSE_SECONDS)
    return in_transaction(work)


@contextmanager
def patience() -> Iterator[None]:
    """Wait for locks for so long and no longer; raises Busy."""
    execute("SELECT set_config('lock_timeout', %s, TRUE)", [PATIENCE])
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            message = _("Offers are being assigned without a pause. Try again, or pause the runs for a moment.")
            raise Busy(message) from error
        raise
    execute("SET LOCAL lock_timeout TO DEFAULT")


def keep_out() -> None:
    """Hold off whoever writes assignments to the end of the transaction: a moment. Who was at it has committed.

    Those who looked for limits before look again (`assign`). Whoever holds a limit's row must not call it: those who
    take back write assignments first, and then wait for that row.
    """
    execute("LOCK TABLE offers_assignment IN SHARE ROW EXCLUSIVE MODE")


def wait_for(*, seconds: float) -> bool:
    """Wait until everybody has ended who had written assignments when this was called; say whether they have in time.

    As PostgreSQL does before it makes an index beside writers: it looks at who holds the table and asks again, so
    nobody stands behind it and nobody new is waited for. A transaction that holds the table ended for others before it
    lets go of it.
    """
    deadline = time.monotonic() + seconds
    writers = [row["writer"] for row in rows(WRITERS)]
    while writers and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        writers = [row["writer"] for row in rows(f"{WRITERS} AND virtualtransaction = ANY(%s)", [writers])]
    return not writers
