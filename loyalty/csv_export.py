"""Tables as CSV files to keep: streamed line by line, safe to open in a spreadsheet."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from defusedcsv import csv
from django.http import StreamingHttpResponse

# Tells spreadsheets that this is UTF-8.
BYTE_ORDER_MARK = "\ufeff"
PART = 500


class _Echo:
    """A file whose `write` hands the line back, so that the file is never whole in memory."""

    def write(self, value: str) -> str:
        return value


def stream(*, name: str, head: Sequence[Any], lines: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """Answer with the file `name`; `lines` is read while it is sent, and no cell runs as a formula."""
    answer = StreamingHttpResponse(_parts(head, lines), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _parts(head: Sequence[Any], lines: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    every = iter(lines)
    yield BYTE_ORDER_MARK + writer.writerow(head)
    # A server that is handed every line alone spends longer on handing on than on writing.
    while part := "".join(writer.writerow(line) for line in islice(every, PART)):
        yield part


def safe_cell(column: str) -> str:
    """Return the SQL, for a statement with parameters, of a text that no spreadsheet runs: as defusedcsv writes it."""
    return (
        f"CASE WHEN left({column}, 1) IN ('@', '+', '-', '=', '|', '%%') AND {column} !~ '^-?[0-9,.]+$'"
        f" THEN '''' || replace({column}, '|', '\\|') ELSE {column} END"
    )


def stream_written(*, name: str, head: Sequence[Any], parts: Iterable[bytes]) -> StreamingHttpResponse:
    """Answer with the file `name`; `parts` are lines that the database wrote, of cells made safe by `safe_cell`."""
    answer = StreamingHttpResponse(_headed(head, parts), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _headed(head: Sequence[Any], parts: Iterable[bytes]) -> Iterator[bytes]:
    yield (BYTE_ORDER_MARK + csv.writer(_Echo()).writerow(head)).encode()
    yield from parts
