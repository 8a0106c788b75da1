"""The staging table of a file: filled by COPY, looked at and merged by whoever made it, in SQL.

Unlogged and dropped at the end: costs no WAL, and a crash leaves nothing to clean. All columns are text, those with
lists and objects jsonb; `line` is the row's place in the file.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.db import DatabaseError, connection, transaction

from loyalty.tables.reading import Table
from loyalty.tables.shape import Batch, Column, trimmed


@dataclass
class Staging:
    """A filled table: `name` for FROM, and the SQL name of each column."""

    name: str
    columns: dict[Column, str] = field(default_factory=dict)
    rows: int = 0

    @property
    def names(self) -> list[str]:
        """Return the names of the file's columns, each once, in its order."""
        return list(dict.fromkeys(column.name for column in self.columns))

    def text(self, name: str) -> str | None:
        """Return the SQL name of a column's texts; None where the file has none of that name."""
        return self.columns.get(Column(name))

    def json(self, name: str) -> str | None:
        """Return the SQL name of a column's lists and objects (jsonb); None where the file has none."""
        return self.columns.get(Column(name, is_json=True))


@contextmanager
def staged(table: Table, *, analyze: bool = True, trim: bool = False) -> Iterator[Staging]:
    """Read the whole file into a table of the transaction's own, and take it away at the end, whatever happens.

    `trim` takes away the blanks around each text.
    Raises what `read` raises, and TransactionManagementError outside a transaction. Look at the table's problems first:
    lines that have one are not in it.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A staging table needs a transaction.")
    with connection.cursor() as cursor:
        # No other session sees it before the transaction ends, and then it is gone.
        name = f"staging.table_{secrets.token_hex(8)}"
        cursor.execute(f"CREATE UNLOGGED TABLE {name} (line bigint NOT NULL) WITH (autovacuum_enabled = off)")
        try:
            staging = Staging(name)
            batches_ = map(trimmed, table.batches) if trim else table.batches
            for columns, batches in groupby(batches_, key=lambda batch: batch.columns):
                _fill(cursor, staging, columns, batches)
            if analyze and staging.rows:
                cursor.execute(f"ANALYZE {name}")
            yield staging
        finally:
            _drop(cursor, name)


def _fill(cursor: Any, staging: Staging, columns: tuple[Column, ...], batches: Iterator[Batch]) -> None:
    """Copy batches of the same columns. JSONL may name more columns as it goes on."""
    for column in columns:
        if column not in staging.columns:
            staging.columns[column] = name = f"c{len(staging.columns)}"
            kind = "jsonb" if column.is_json else "text"
            cursor.execute(f"ALTER TABLE {staging.name} ADD COLUMN {name} {kind}")
    into = ", ".join(["line", *(staging.columns[column] for column in columns)])
    with cursor.copy(f"COPY {staging.name} ({into}) FROM STDIN (FORMAT csv)") as copy:
        for batch in batches:
            copy.write(memoryview(batch.as_csv()))
            staging.rows += len(batch)


def _drop(cursor: Any, name: str) -> None:
    if connection.needs_rollback:
        # What made the table is undone with the rest.
        return
    try:
        with transaction.atomic():
            cursor.execute(f"DROP TABLE {name}")
    except DatabaseError:
        # The transaction has failed by itself: rolling it back takes the table away.
        pass
