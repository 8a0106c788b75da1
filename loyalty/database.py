"""Transactions at the outermost door: deadlocks and serialization failures are tried again, not surfaced."""

import functools
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import psycopg
import structlog
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from psycopg.types import datetime

from loyalty.patience import DatabaseHangs

Result = TypeVar("Result")
log = structlog.get_logger(__name__)


def is_retryable(error: BaseException | None) -> bool:
    """Say whether the database asked for the transaction to be tried again."""
    retryable = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
    return isinstance(error, retryable) or (
        isinstance(error, OperationalError) and isinstance(error.__cause__, retryable)
    )


# Classes of errors after which the same request may work in a moment: the connection, a rollback that asks for another
# try, resources (no connection left, disk or memory full), an operator or a time that was up.
PASSING = ("08", "40", "53", "57")
# What ails the database or the machine may be over at the next attempt; any other error of ours comes again each time.
PERHAPS_PASSING = (Error, psycopg.Error, MemoryError)


def is_away(error: BaseException | None) -> bool:
    """Say whether the database could not be reached, hangs, or had no room just now: a 503, worth another try.

    The driver calls much more an operational error: too large an index entry, too many parameters. That fails each
    time, as wrong SQL does, so whoever hears of it must look at the log.
    """
    if isinstance(error, ProgrammingError) and not isinstance(error.__cause__, psycopg.Error):
        # Django's own, of a session that was gone in the middle of a transaction.
        return is_away(error.__context__)
    if not isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError | psycopg.InterfaceError):
        return False
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if not isinstance(cause, psycopg.Error):
        return isinstance(error, OperationalError | InterfaceError)
    if cause.sqlstate is not None:
        return cause.sqlstate.startswith(PASSING) or isinstance(cause, psycopg.errors.LockNotAvailable)
    if isinstance(cause, DatabaseHangs):
        return True
    # Said by the driver itself, which knows no code: of a session that is gone, or of a call that cannot be made.
    session = connection.connection
    return session is None or session.closed


def is_violation(error: IntegrityError, constraint: str) -> bool:
    """Say whether it was this constraint that two writers met at."""
    cause = error.__cause__
    return isinstance(cause, psycopg.errors.UniqueViolation) and cause.diag.constraint_name == constraint


def first_line(error: DatabaseError) -> str:
    """Return what the database said, without its details, which may hold what was written."""
    return (str(error).splitlines() or [type(error).__name__])[0][:500]


def in_transaction(work: Callable[[], Result], *, attempts: int = 5) -> Result:
    """Run `work` in a transaction of its own and try it again when the database asks for it.

    Inside an open transaction it runs in a savepoint, once: only the outermost door may retry, because a deadlock
    undoes all.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            return work()
    connection.ensure_connection()
    _plan_once(connection.connection)
    for attempt in range(1, attempts + 1):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if not is_retryable(error) or attempt == attempts:
                raise
            log.warning("transaction.retried", attempt=attempt, cause=type(error.__cause__).__name__)
            # Jitter keeps two victims of each other from meeting again.
            time.sleep(random.uniform(0.005, 0.03) * attempt)  # noqa: S311 (no secret: it keeps two apart)
    raise AssertionError("unreachable")


def rows(sql: str, parameters: Any = None) -> list[dict[str, Any]]:
    """Run one statement and return its rows as dictionaries."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def ids_text(ids: Iterable[int]) -> str:
    """Write ids for `%s::bigint[]` of a prepared statement: a list's own type would change with its values."""
    return "{" + ",".join(map(str, ids)) + "}"


class _PreparedCursor(psycopg.RawCursor[Any]):
    """Binds values on the server, so that every call has the same text, and prepares it the first time.

    Takes names for parameters as every cursor does, but looks for them once: the driver would do so at each call.
    """

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        text, names = _numbered(query)
        return super().execute(text, [params[name] for name in names], prepare=True, **options)


@functools.cache
def _numbered(sql: str) -> tuple[str, list[str]]:
    """Return the statement with numbers for its names, and the names in their order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return re.sub(r"%\((\w+)\)s", number, sql).replace("%%", "%"), names


def prepared_rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run one statement that each session prepares once, and return its rows as tuples.

    For a hot path whose planning costs more than its execution. The text must be constant and its parameters named;
    their types should be constant too, for each combination is prepared anew. Outside a transaction it must be a
    SELECT: a session that died while it was idle is replaced, and asked again; asking each time whether it lives would
    double the way there.
    """
    try:
        return _prepared_rows(sql, parameters)
    except OperationalError as error:
        session = connection.connection
        if connection.in_atomic_block or session is None or not session.closed:
            raise
        if isinstance(error.__cause__, DatabaseHangs):
            # Given up by us, because the server hangs: another session would only hang too.
            raise
        connection.close()
        return _prepared_rows(sql, parameters)


def _plan_once(session: Any) -> None:
    """Have the session plan what it prepares once, whatever the first calls' values are.

    A setting of the session, not of its start: pools refuse options that they do not know.
    """
    if getattr(session, "plans_once", False) or session.prepare_threshold is None or connection.in_atomic_block:
        return
    # A session that has died is Django's error here too: whoever catches knows no other.
    with connection.wrap_database_errors:
        session.execute("SET plan_cache_mode = force_generic_plan")
    session.plans_once = True


def _prepared_rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    # Once: the proxy behind `connection` looks for the thread's own at each attribute.
    database: Any = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    session = database.connection
    _plan_once(session)
    own = getattr(session, "prepared_cursor", None) or _prepared_cursor(session)
    if database.execute_wrappers or database.queries_logged:
        # Somebody watches or counts: through Django's own wrapper, as everywhere else.
        wrap = database.make_debug_cursor if database.queries_logged else database.make_cursor
        return _fetched(wrap(own), sql, parameters)
    database.validate_no_broken_transaction()
    with database.wrap_database_errors:
        return _fetched(own, sql, parameters)


def _fetched(cursor: Any, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    cursor.execute(sql, parameters)
    return [] if cursor.rownumber is None else cursor.fetchall()


def _prepared_cursor(session: Any) -> _PreparedCursor:
    """Make the one cursor that a session's prepared statements share: each is fetched whole before the next."""
    session.prepared_cursor = own = _PreparedCursor(session)
    # The driver's own reader of moments, in C; Django's goes through Python to allow any time zone, and ours is UTC.
    own.adapters.register_loader("timestamptz", datetime.TimestamptzLoader)
    return own


def execute(sql: str, parameters: Any = None) -> int:
    """Run one statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
