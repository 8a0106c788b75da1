"""Tables that come as files: CSV, JSONL, Parquet, XLSX; read as a stream, staged for SQL. The one reader of them.

    problems = tables.Problems()
    with transaction.atomic():
        found = tables.read(file=file, file_name="members.csv", problems=problems)
        with tables.staged(found) as staging:
            problems.refuse()                       # raises InvalidTable with every problem, by line
            cursor.execute(f"SELECT line, {staging.text('external_id')} FROM {staging.name} …")

`read` looks at the name and the first bytes and raises InvalidTable or TableTooLarge for what is no table at all:
another format, another encoding, compressed, encrypted, empty, a header with empty or repeated columns. What is wrong
with single lines is added to `problems` while the batches are drawn, and these lines are in no batch: iterate first,
then look at `problems`. `found.batches` is an iterator that runs once and keeps a block of the file in memory, never
the file (an XLSX is kept whole, which is why it may be no larger than XLSX_MAX_BYTES unpacked). `file` is read from
its position; Parquet and XLSX need one that can seek.

A batch has `columns`, `lines` and `values`. Every value is a text, written as JSON would write it (`true`, `12.5`,
`2026-11-30`); lists and objects of JSONL and Parquet are JSON in a column of their own with `is_json`, so that a name
may occur twice, once with and once without. A line is that of the file for CSV and JSONL (a record that spans lines
counts as its first), the row of the sheet for XLSX, and the number of the row from 1 for Parquet: see `found.unit`.

Empty and absent are two things: an empty cell of a CSV or XLSX, null in Parquet and JSONL are the empty text; SQL's
NULL (`None`) is only what a line of JSONL does not name. Texts are as they stand: nothing is trimmed.

`staged` needs a transaction (what fails leaves nothing behind) and drops its table at the end.
"""

from loyalty.tables.problem import InvalidTable, Problem, Problems, TableTooLarge
from loyalty.tables.reading import Table, read
from loyalty.tables.shape import Batch, Column
from loyalty.tables.source import joined
from loyalty.tables.staging import Staging, staged

__all__ = [
    "Batch",
    "Column",
    "InvalidTable",
    "Problem",
    "Problems",
    "Staging",
    "Table",
    "TableTooLarge",
    "joined",
    "read",
    "staged",
]
