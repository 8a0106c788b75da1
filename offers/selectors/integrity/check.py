"""What a check of the data is: a name, a sentence, and a SELECT of whatever breaks it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One invariant. `sql` selects the `id` of each row that breaks it; whole, it returns nothing.

    A check that knows no programme (relations, the outbox's positions) looks at all of them.
    """

    name: str
    says: str
    sql: str


def of(column: str) -> str:
    """Return the condition that a programme's column is the chosen one, where one was chosen."""
    return f"(%(programme_id)s::bigint IS NULL OR {column} = %(programme_id)s)"
