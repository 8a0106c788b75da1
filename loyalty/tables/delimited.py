"""CSV: UTF-8, cells parted by comma, semicolon or tab as in its header, quoted as RFC 4180 has it.

Blocks of whole records go through pyarrow; only a block with something wrong in it, or with line feeds inside quotes,
is looked at record by record. A quote inside a cell that is not quoted is a problem, for nobody knows where such a
cell ends. Blank lines are passed over.
"""

import csv
import io
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from loyalty.tables.problem import InvalidTable, Problem, Problems, refusal
from loyalty.tables.shape import MOST_CELL, MOST_LINE, Batch, columns
from loyalty.tables.source import Source

SEPARATORS = ",;\t"


def batches(source: Source, problems: Problems) -> Iterator[Batch]:
    blocks = source.blocks()
    header, rest = _first_line(blocks, source.name)
    return _Reader(source.name, header, problems).batches(rest, blocks)


def _first_line(blocks: Iterator[bytes], name: str) -> tuple[bytes, bytes]:
    """Return the header's line, and what was read behind it."""
    data = b""
    for block in blocks:
        data += block
        line, newline, rest = data.partition(b"\n")
        if newline:
            return line.removesuffix(b"\r"), rest
        if len(data) > MOST_LINE:
            break
    if b"\r" in data.rstrip(b"\r") or len(data) > MOST_LINE:
        raise refusal("one_line_without_end", name=name)
    return data.removesuffix(b"\r"), b""


class _Reader:
    def __init__(self, name: str, header: bytes, problems: Problems) -> None:
        self.name, self.problems = name, problems
        self.separator = _separator(header)
        self.columns = columns(_names(header, self.separator))
        self.line = 2
        self.skips = False
        field = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n%s]*+)' % self.separator
        record = rb"%s(?:%s%s)*+\r?\n" % (field, self.separator, field)
        self.record = re.compile(record)
        self.records = re.compile(rb"(?:%s)*+" % record)
        # The beginning of a record that may yet become whole.
        last = rb'(?:"[^"]*+(?:""[^"]*+)*+"?|[^"\r\n%s]*+)' % self.separator
        self.unfinished = re.compile(rb"(?:%s%s)*+%s\r?\Z" % (field, self.separator, last))
        names = [str(place) for place in range(len(self.columns))]
        self.read = arrow_csv.ReadOptions(column_names=names, use_threads=False)
        self.convert = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        )

    def batches(self, rest: bytes, blocks: Iterator[bytes]) -> Iterator[Batch]:
        rows = 0
        for block in blocks:
            rest, found = self._take(rest + block)
            for batch in found:
                rows += len(batch)
                yield batch
        # The last line need not end.
        for batch in self._take(rest + b"\n" if rest and not rest.endswith(b"\n") else rest, is_last=True)[1]:
            rows += len(batch)
            yield batch
        if not rows and not self.problems.count:
            self.problems.no_rows(self.name, [column.name for column in self.columns])

    def _take(self, data: bytes, *, is_last: bool = False) -> tuple[bytes, list[Batch]]:
        """Return the batches of the whole records in `data`, and what is left behind them."""
        found: list[Batch] = []
        place = 0
        while place < len(data):
            if self.skips:
                place = self._pass_line(data, place)
                continue
            end = self._end(data, place)
            if end > place:
                found += self._batch(data[place:end])
                place = end
                continue
            is_unfinished = bool(self.unfinished.match(data, place))
            if is_unfinished and not is_last and len(data) - place <= MOST_LINE:
                break
            self._refuse(data, place, is_unfinished, is_last)
            place = self._pass_line(data, place)
        return data[place:], found

    def _end(self, data: bytes, place: int) -> int:
        """Say where the last whole record ends, of those that follow each other without a fault."""
        is_plain = b'"' not in data and data.count(b"\r") == data.count(b"\r\n")
        if is_plain:
            return max(data.rfind(b"\n") + 1, place)
        found = self.records.match(data, place)
        return found.end() if found else place

    def _pass_line(self, data: bytes, place: int) -> int:
        """Leave a line out; it may end in a block that is still to come."""
        newline = data.find(b"\n", place)
        self.skips = newline < 0
        self.line += newline >= 0
        return newline + 1 if newline >= 0 else len(data)

    def _refuse(self, data: bytes, place: int, is_unfinished: bool, is_last: bool) -> None:
        newline = data.find(b"\n", place)
        line = data[place : newline if newline >= 0 else len(data)]
        if is_unfinished and (is_last or newline >= 0):
            self.problems.add(self.line, "unclosed_quote")
        elif newline < 0 and len(line) > MOST_LINE:
            self.problems.add(self.line, "line_too_long", most=MOST_LINE)
        elif b"\r" in line.removesuffix(b"\r") and b'"' not in line:
            self.problems.add(self.line, "lone_carriage_return")
        else:
            self.problems.add(self.line, "stray_quote")

    def _batch(self, data: bytes) -> list[Batch]:
        """Return the rows of whole, well-formed records."""
        count = data.count(b"\n")
        first, self.line = self.line, self.line + count
        values = self._quickly(data, count)
        if values is None:
            batch = self._one_by_one(data, first)
            return [batch] if len(batch) else []
        return [Batch(self.columns, pa.array(range(first, first + count), pa.int64()), values)]

    def _quickly(self, data: bytes, count: int) -> tuple[pa.Array, ...] | None:
        """Return the columns, or None where a record is not one line with as many cells as the header has."""
        if b"\0" in data:
            return None
        self.read.block_size = len(data) + 1
        parse = arrow_csv.ParseOptions(delimiter=self.separator.decode(), newlines_in_values=b'"' in data)
        try:
            table = arrow_csv.read_csv(io.BytesIO(data), self.read, parse, self.convert)
        except pa.ArrowInvalid:
            return None
        if table.num_rows != count:
            return None
        values = tuple(column.combine_chunks() for column in table.itercolumns())
        if any((pc.max(pc.binary_length(column)).as_py() or 0) > MOST_CELL for column in values):
            return None
        return values

    def _one_by_one(self, data: bytes, line: int) -> Batch:
        lines: list[int] = []
        rows: list[list[str]] = []
        for found in self.record.finditer(data):
            raw = found[0].removesuffix(b"\n").removesuffix(b"\r")
            row = self._row(raw, line) if raw else None
            if row is not None:
                lines.append(line)
                rows.append(row)
            line += found[0].count(b"\n")
        values = zip(*rows, strict=True) if rows else [()] * len(self.columns)
        arrays = tuple(pa.array(column, pa.string()) for column in values)
        return Batch(self.columns, pa.array(lines, pa.int64()), arrays)

    def _row(self, raw: bytes, line: int) -> list[str] | None:
        """Return a record's cells, or note what is wrong with it."""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            self.problems.add(line, "not_utf8")
            return None
        if "\0" in text:
            self.problems.add(line, "unstorable_character")
            return None
        try:
            # The record's regular expression has let nothing through but its own line feeds inside quotes.
            [cells] = csv.reader([text], delimiter=self.separator.decode(), strict=True)
        except csv.Error:
            # Its own limit of a cell is above ours.
            self.problems.add(line, "cell_too_long", most=MOST_CELL)
            return None
        if len(cells) != len(self.columns):
            self.problems.add(line, "ragged_row", given=len(cells), needed=len(self.columns))
            return None
        if any(len(cell.encode()) > MOST_CELL for cell in cells):
            self.problems.add(line, "cell_too_long", most=MOST_CELL)
            return None
        return cells


def _separator(header: bytes) -> bytes:
    """Return what parts the header's cells: what stands most often in it, outside quotes."""
    plain = re.sub(rb'"[^"]*"', b"", header).decode("latin-1")
    return max(SEPARATORS, key=plain.count).encode()


def _names(header: bytes, separator: bytes) -> list[str]:
    """Return the names in the header, without blanks around them. Raises InvalidTable."""
    code = ""
    try:
        text = header.decode()
        names = next(csv.reader([text], delimiter=separator.decode(), strict=True), [""])
        if "\0" in text:
            code = "unstorable_character"
    except UnicodeDecodeError:
        code = "not_utf8"
    except csv.Error:
        code = "stray_quote"
    if code:
        problem = Problem(1, code, {})
        raise InvalidTable(problem.message, code="invalid_header", problems=[problem.said()])
    # An empty first line has one column, without a name.
    return [name.strip() for name in names] or [""]
