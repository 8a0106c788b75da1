"""What every format is read into: columns, and batches of rows as texts.

Arrow takes 50 MB of memory: only who reads a table loads it, so it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loyalty.tables.problem import InvalidTable, Problem, refusal

if TYPE_CHECKING:
    import pyarrow as pa

# A row of PostgreSQL is a page at most: so many pointers to long texts fit.
MOST_COLUMNS = 250
# Bytes.
MOST_CELL = 65_536
MOST_LINE = 1 << 20
# Spreadsheets keep fifteen digits of a number, and floats of 64 bit hardly more: beyond it, what stands there may be
# another number than the one that was meant, and another member.
MOST_EXACT = 10**15
BLOCK = 1 << 20
ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    # Lists and objects, as JSON.
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: for each its line, and for each column its text; null is what the row does not name."""

    columns: tuple[Column, ...]
    lines: pa.Array
    values: tuple[pa.Array, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def as_csv(self) -> pa.Buffer:
        """Return line and values as PostgreSQL reads CSV: null is nothing, an empty text a pair of quotes."""
        import pyarrow as pa
        from pyarrow import csv

        # All columns are strings or whole numbers; what is written needs no escape but the doubled quote.
        names = ["line", *(f"c{place}" for place in range(len(self.values)))]
        into = pa.BufferOutputStream()
        options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
        csv.write_csv(pa.Table.from_arrays([self.lines, *self.values], names=names), into, options)
        return into.getvalue()


def trimmed(batch: Batch) -> Batch:
    """Return the batch with no blanks around its texts; JSON is left as it is."""
    import pyarrow.compute as pc

    values = (
        one if column.is_json else pc.utf8_trim_whitespace(one)
        for column, one in zip(batch.columns, batch.values, strict=True)
    )
    return Batch(batch.columns, batch.lines, tuple(values))


def columns(names: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of a header. Raises InvalidTable with every empty and every repeated name."""
    if len(names) > MOST_COLUMNS:
        raise refusal("too_many_columns", given=len(names), most=MOST_COLUMNS)
    problems: list[Problem] = []
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if not name:
            problems.append(Problem(1, "empty_column_name", {"place": place}))
        elif name in places:
            parameters = {"column": name, "first": places[name], "second": place}
            problems.append(Problem(1, "repeated_column", parameters))
        places.setdefault(name, place)
    if problems:
        raise InvalidTable(
            " ".join(one.message for one in problems[:10]),
            code="invalid_header",
            problems=[one.said() for one in problems],
        )
    return tuple(Column(name) for name in names)
