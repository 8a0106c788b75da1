"""Calls that start together, each in a thread with a database connection of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run the calls in threads that start together; return their results, or raise the first one's error."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=20)
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


class Elsewhere:
    """A call on a connection of its own: what it answered, or raised."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.answer: Any = None
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._work, args=[call], daemon=True)
        self.thread.start()

    def _work(self, call: Callable[[], Any]) -> None:
        try:
            self.answer = call()
        except Exception as error:
            # Whatever it is: the test looks at it in its own thread.
            self.error = error
        finally:
            connection.close()

    def ended(self) -> "Elsewhere":
        self.thread.join(timeout=20)
        assert not self.thread.is_alive(), "It waits for ever."
        return self


def deadlocks() -> int:
    """Return how many deadlocks PostgreSQL has broken in this database, those included that were tried again."""
    with connection.cursor() as cursor:
        # Sessions that ended have told; this one sees it only when it asks anew.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def waiting(*, locktype: str | None = None) -> int:
    """Return how many sessions of this database wait for a lock, of one type only where it is named.

    Of this database: tests beside this one wait for locks of theirs, on the same server.
    """
    with connection.cursor() as cursor:
        # Within a transaction, who is there stays as it was first read: a session that began later would be missed.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            """
            SELECT count(*) FROM pg_locks AS held JOIN pg_stat_get_activity(NULL) AS session USING (pid)
             WHERE NOT held.granted AND (%(locktype)s::text IS NULL OR held.locktype = %(locktype)s::text)
               AND session.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            {"locktype": locktype},
        )
        return cursor.fetchone()[0]


def are_waiting(n: int, *, locktype: str | None = None, seconds: float = 20) -> bool:
    """Say whether exactly so many wait for a lock, now or within some seconds."""
    deadline = time.monotonic() + seconds
    while (found := waiting(locktype=locktype)) != n and time.monotonic() < deadline:
        time.sleep(0.01)
    return found == n
