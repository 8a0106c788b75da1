"""Tables as files to keep, in the format that was asked for: CSV, XLSX or Parquet, a part in memory at a time.

The lines are read once, while the file is sent (CSV, Parquet) or before (XLSX, whose end has to be known first, and
which lies in a temporary file meanwhile). Moments are aware; files carry them in UTC.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import xlsxwriter
from django.http import StreamingHttpResponse

from loyalty import csv_export

Format = Literal["csv", "xlsx", "parquet"]
Kind = Literal["text", "number", "moment"]
# A row group of Parquet: columns of so many values are compressed together, and no more is in memory.
PART = 5_000
# What a sheet holds, its head included.
SHEET_LINES = 1_048_576
TYPES: dict[Kind, pyarrow.DataType] = {
    "text": pyarrow.string(),
    "number": pyarrow.int64(),
    "moment": pyarrow.timestamp("us", tz="UTC"),
}
MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
BLOCK = 256 * 1024


@dataclass(frozen=True)
class Column:
    """A column's name in the file's head, and what its values are; each may be None."""

    name: str
    kind: Kind = "text"


def stream(*, name: str, format: Format, columns: Sequence[Column], lines: Iterable[Sequence[Any]]) -> Any:
    """Answer with the file `name` (its ending is added); `lines` hold a value a column. No cell runs as a formula."""
    if format == "csv":
        head = [column.name for column in columns]
        return csv_export.stream(name=f"{name}.csv", head=head, lines=(_texts(line) for line in lines))
    parts = WRITERS[format](columns, lines)
    answer = StreamingHttpResponse(parts, content_type=MEDIA[format])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{format}"'
    return answer


def stream_written(*, name: str, format: Format, columns: Sequence[Column], parts: Iterable[bytes]) -> Any:
    """Answer with the file `name` of lines that the database wrote as CSV without a head, a value a column, none twice.

    For CSV the cells are safe already (`csv_export.safe_cell`); a part, some thousand lines, is in memory at a time.
    """
    if format == "csv":
        return csv_export.stream_written(name=f"{name}.csv", head=[column.name for column in columns], parts=parts)
    answer = StreamingHttpResponse(_parquet_of_written(columns, parts), content_type=MEDIA["parquet"])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.parquet"'
    return answer


def _texts(line: Sequence[Any]) -> list[Any]:
    return ["" if value is None else _moment(value) if isinstance(value, datetime) else value for value in line]


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


class _Sink:
    """A file that is only written to, and hands on what was written since it was last asked."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        part = bytes(data)
        self.parts.append(part)
        self.size += len(part)
        return len(part)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        part = b"".join(self.parts)
        self.parts.clear()
        return part


def _parquet(columns: Sequence[Column], lines: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    schema = pyarrow.schema([pyarrow.field(column.name, TYPES[column.kind]) for column in columns])
    sink = _Sink()
    with pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in _parts(lines):
            values = zip(*part, strict=True)
            arrays = [
                pyarrow.array([_text(column, value) for value in column_values], type=TYPES[column.kind])
                for column, column_values in zip(columns, values, strict=True)
            ]
            writer.write_table(pyarrow.table(arrays, schema=schema))
            yield sink.taken()
    yield sink.taken()


def _parquet_of_written(columns: Sequence[Column], parts: Iterable[bytes]) -> Iterator[bytes]:
    schema = pyarrow.schema([pyarrow.field(column.name, TYPES[column.kind]) for column in columns])
    reading = pyarrow.csv.ReadOptions(column_names=schema.names, use_threads=False)
    # An id may hold whatever a cell may; what the database left out, and nothing else, is null.
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    converting = pyarrow.csv.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    sink = _Sink()
    with pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in parts:
            source = pyarrow.BufferReader(part)
            writer.write_table(pyarrow.csv.read_csv(source, reading, parsing, converting))
            yield sink.taken()
    yield sink.taken()


def _text(column: Column, value: Any) -> Any:
    return str(value) if column.kind == "text" and value is not None else value


def _parts(lines: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    every = iter(lines)
    while part := list(islice(every, PART)):
        yield part


def _xlsx(columns: Sequence[Column], lines: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        # One row in memory at a time; text stays text, whatever it looks like.
        book = xlsxwriter.Workbook(
            file.name, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        sheet, row = None, SHEET_LINES
        for line in lines:
            if row == SHEET_LINES:
                sheet, row = _sheet(book, columns), 1
            _write(sheet, row, line)
            row += 1
        if sheet is None:
            _sheet(book, columns)
        book.close()
        while block := file.read(BLOCK):
            yield block


def _sheet(book: Any, columns: Sequence[Column]) -> Any:
    sheet = book.add_worksheet()
    for number, column in enumerate(columns):
        sheet.write_string(0, number, column.name)
    return sheet


def _write(sheet: Any, row: int, line: Sequence[Any]) -> None:
    for number, value in enumerate(line):
        if isinstance(value, datetime):
            sheet.write_string(row, number, _moment(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            sheet.write_number(row, number, value)
        elif value is not None and value != "":
            sheet.write_string(row, number, str(value))


WRITERS: dict[str, Callable[[Sequence[Column], Iterable[Sequence[Any]]], Iterator[bytes]]] = {
    "xlsx": _xlsx,
    "parquet": _parquet,
}
