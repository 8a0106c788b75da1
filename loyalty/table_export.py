"""Tables as files to keep, in the format that was asked for: CSV, XLSX or Parquet, a part in memory at a time.

The lines are read once, while the file is sent (CSV, Parquet) or before (XLSX, whose end has to be known first, and
which lies in a temporary file meanwhile). Moments are aware; files carry them in UTC.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Literal

import xlsxwriter
from django.http import StreamingHttpResponse

from loyalty import csv_export

Format = Literal["csv", "xlsx", "parquet"]
Kind = Literal["text", "number", "moment"]
# What a sheet holds, its head included.
SHEET_LINES = 1_048_576
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


def stream(
    *, name: str, format: Format, columns: Sequence[Column], lines: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """Answer with the file `name` (its ending is added); `lines` hold a value a column. No cell runs as a formula."""
    if format == "csv":
        head = [column.name for column in columns]
        return csv_export.stream(name=f"{name}.csv", head=head, lines=(_texts(line) for line in lines))
    parts = _xlsx(columns, lines) if format == "xlsx" else _parquet().written(columns, lines)
    answer = StreamingHttpResponse(parts, content_type=MEDIA[format])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{format}"'
    return answer


def stream_written(
    *, name: str, format: Format, columns: Sequence[Column], parts: Iterable[bytes]
) -> StreamingHttpResponse:
    """Answer with the file `name` of lines that the database wrote as CSV without a head, a value a column, none twice.

    For CSV the cells are safe already (`csv_export.safe_cell`); a part, some thousand lines, is in memory at a time.
    """
    if format == "csv":
        return csv_export.stream_written(name=f"{name}.csv", head=[column.name for column in columns], parts=parts)
    answer = StreamingHttpResponse(_parquet().of_csv(columns, parts), content_type=MEDIA["parquet"])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.parquet"'
    return answer


def _parquet() -> ModuleType:
    """Return the writer of Parquet. It brings Arrow, whose 50 MB a process that writes none does not need."""
    from loyalty import parquet_export

    return parquet_export


def _texts(line: Sequence[Any]) -> list[Any]:
    return ["" if value is None else _moment(value) if isinstance(value, datetime) else value for value in line]


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


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
