"""Transactions at the outermost door: deadlocks and serialization failures are tried again, not surfaced."""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import structlog
from django.db import OperationalError, connection, transaction

Result = TypeVar("Result")
log = structlog.get_logger(__name__)


def is_retryable(error: BaseException | None) -> bool:
    """Say whether the database asked for the transaction to be tried again."""
    retryable = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
    return isinstance(error, retryable) or (
        isinstance(error, OperationalError) and isinstance(error.__cause__, retryable)
    )


def in_transaction(work: Callable[[], Result], *, attempts: int = 5) -> Result:
    """Run `work` in a transaction of its own and try it again when the database asks for it.

    Inside an open transaction it runs in a savepoint, once: only the outermost door may retry, because a deadlock
    undoes all.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            return work()
    for attempt in range(1, attempts + 1):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if not is_retryable(error) or attempt == attempts:
                raise
            log.warning("transaction.retried", attempt=attempt, cause=type(error.__cause__).__name__)
            # Jitter keeps two victims of each other from meeting again.
            time.sleep(random.uniform(0.005, 0.03) * attempt)  # noqa: S311
    raise AssertionError("unreachable")


def rows(sql: str, parameters: Any = None) -> list[dict[str, Any]]:
    """Run one statement and return its rows as dictionaries."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def execute(sql: str, parameters: Any = None) -> int:
    """Run one statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
