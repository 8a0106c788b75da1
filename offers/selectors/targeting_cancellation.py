"""Counts that nobody waits for any more: marked, so that a newer request of the same page can stop them.

A browser that asks again closes the old connection, but the database would go on counting for it. The mark stands in
the statement's text, where every backend can be asked for it; nothing has to be remembered anywhere.
"""

import re
from typing import Any

import psycopg
from django.db import OperationalError

from loyalty import database

MARK = re.compile(r"[0-9a-f]{16}")


class Outdated(Exception):
    """The count was stopped, for a newer one was asked for."""


def mark_of(user_id: int, page: str) -> str:
    """Return the mark of one person's open page; nothing for what is no page's token."""
    return f"audience count {user_id:d} {page}" if MARK.fullmatch(page) else ""


def rows(sql: str, parameters: Any = None, *, mark: str) -> list[dict[str, Any]]:
    """Run the statement under the mark. Raises Outdated where `stop` ended it."""
    if not mark:
        return database.rows(sql, parameters)
    try:
        return database.rows(f"/* {mark} */ {sql}", parameters)
    except OperationalError as error:
        cause = error.__cause__
        # The same class as for a time that was up, which is no news to be hidden.
        if isinstance(cause, psycopg.errors.QueryCanceled) and "user request" in str(cause):
            raise Outdated from error
        raise


def stop(mark: str) -> None:
    """Stop the count that runs under the mark, if any: one statement, a millisecond.

    Between seeing it and stopping it, it may have ended; what is stopped then is at most the same request's next
    statement, for an idle backend takes no notice.
    """
    if mark:
        database.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = current_user AND state = 'active' AND pid <> pg_backend_pid()"
            " AND starts_with(query, %s)",
            [f"/* {mark} */"],
        )
