"""How long a web process waits for one answer of the database: a server that hangs refuses nothing and never answers.

Without an end to it every thread would soon wait, and nobody would be told to come again. Workers and commands wait as
long as it takes: their work is long, and leases repair what dies with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg.errors import _WaitTimeout

_is_patient = ContextVar("is_patient", default=False)


class DatabaseHangs(psycopg.OperationalError):
    """The database did not answer in time. What was asked may have been done all the same: ask again by reference."""


def limit_waiting(seconds: float) -> None:
    """From now on give up a session of this process that has not answered one statement for so long.

    Its statement then fails with an OperationalError, which every door answers with 503.
    """

    def limit(sender: object, connection: BaseDatabaseWrapper, **_: object) -> None:
        _limit_session(connection.connection, seconds)

    # One receiver, whoever asks again.
    connection_created.connect(limit, weak=False, dispatch_uid="loyalty.patience")


def wait_for_ever() -> None:
    """Undo `limit_waiting` for sessions to come."""
    connection_created.disconnect(dispatch_uid="loyalty.patience")


@contextmanager
def patient() -> Iterator[None]:
    """Wait as long as it takes; as a decorator too. For statements that are long by nature, such as an import's."""
    before = _is_patient.set(True)
    try:
        yield
    finally:
        _is_patient.reset(before)


def _limit_session(session: Any, seconds: float) -> None:
    wait = session.wait

    def wait_so_long(generator: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None or _is_patient.get():
            return wait(generator, interval=interval, timeout=timeout)
        try:
            return wait(generator, interval=interval, timeout=seconds)
        except _WaitTimeout as error:
            # An answer that came later would be taken for the next question's.
            session.pgconn.finish()
            raise DatabaseHangs(f"The database has not answered for {seconds:g} s.") from error

    session.wait = wait_so_long
