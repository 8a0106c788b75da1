"""JSONL: one object a line, UTF-8. Columns are named by whichever line names them first."""

from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from loyalty import storable
from loyalty.tables.problem import Problems, refusal
from loyalty.tables.shape import MOST_CELL, MOST_COLUMNS, MOST_EXACT, MOST_LINE, Batch, Column
from loyalty.tables.source import Source

Row = dict[str, Any]


def batches(source: Source, problems: Problems) -> Iterator[Batch]:
    reader = _Reader(problems)
    rows = 0
    for data in _whole_lines(source.blocks(), reader):
        for batch in reader.read(data):
            rows += len(batch)
            yield batch
    if not rows and not problems.count:
        raise refusal("empty_file", name=source.name)


def _whole_lines(blocks: Iterator[bytes], reader: "_Reader") -> Iterator[bytes]:
    """Yield blocks that end with a line; a line that goes on for too long is cut short, and left out."""
    rest = b""
    for block in blocks:
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield rest + head
            rest = tail
        else:
            rest += block
            # Enough to be refused as too long when it ends.
            rest = rest[: MOST_LINE + 1]
    if rest:
        yield rest


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.line = 1
        self.names: dict[str, None] = {}

    def read(self, data: bytes) -> list[Batch]:
        raw = data.split(b"\n")
        first, self.line = self.line, self.line + len(raw)
        lines: list[int] = []
        rows: list[Row] = []
        for line, text in enumerate(raw, start=first):
            row = self._row(text, line)
            if row is not None:
                lines.append(line)
                rows.append(row)
        return self._batches(lines, rows)

    def _row(self, text: bytes, line: int) -> Row | None:
        if len(text) > MOST_LINE:
            self.problems.add(line, "line_too_long", most=MOST_LINE)
            return None
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if text.strip():
                self._refuse(text, line, error)
            return None
        if not isinstance(row, dict):
            self.problems.add(line, "not_an_object")
            return None
        if b"\\u0000" in text or len(text) > MOST_CELL:
            return row if self._is_storable(row, line) else None
        return row

    def _refuse(self, text: bytes, line: int, error: orjson.JSONDecodeError) -> None:
        try:
            text.decode()
        except UnicodeDecodeError:
            self.problems.add(line, "not_utf8")
            return
        code = "unstorable_character" if b"\0" in text else "not_json"
        self.problems.add(line, code, cause=str(error).partition(": line")[0])

    def _is_storable(self, row: Row, line: int) -> bool:
        before = self.problems.count
        if found := storable.problems(row):
            self.problems.add(line, "unstorable_value", column=found[0][0], cause=found[0][2])
        if any(len(value) * 4 > MOST_CELL and len(_text(value).encode()) > MOST_CELL
               for value in row.values() if isinstance(value, str | list | dict)):  # fmt: skip
            self.problems.add(line, "cell_too_long", most=MOST_CELL)
        return self.problems.count == before

    def _batches(self, lines: list[int], rows: list[Row]) -> list[Batch]:
        if not rows:
            return []
        for row in rows:
            # Most lines name the same: a comparison of two sets is quicker than looking for each name.
            if row.keys() - self.names.keys():
                self._learn(row)
        columns: list[Column] = []
        values: list[pa.Array] = []
        is_bad: set[int] = set()
        for name in self.names:
            cells = [row.get(name, _ABSENT) for row in rows]
            for column, array in self._columns(name, cells, lines, is_bad):
                columns.append(column)
                values.append(array)
        batch = Batch(tuple(columns), pa.array(lines, pa.int64()), tuple(values))
        if is_bad:
            kept = pa.array([line not in is_bad for line in lines])
            batch = Batch(batch.columns, batch.lines.filter(kept), tuple(one.filter(kept) for one in batch.values))
        return [batch]

    def _learn(self, row: Row) -> None:
        self.names.update(dict.fromkeys(row))
        if len(self.names) > MOST_COLUMNS:
            raise refusal("too_many_columns", given=len(self.names), most=MOST_COLUMNS)

    def _columns(
        self, name: str, cells: list[Any], lines: list[int], is_bad: set[int]
    ) -> Iterator[tuple[Column, pa.Array]]:
        """Yield the column of a name, or two where some lines have lists or objects and others do not."""
        types = set(map(type, cells))
        plain = types - {list, dict}
        if types - plain:
            for place, cell in enumerate(cells):
                if isinstance(cell, list | dict) and (found := storable.problems(cell, place=name)):
                    self.problems.add(lines[place], "unstorable_value", column=found[0][0], cause=found[0][2])
                    is_bad.add(lines[place])
            nested = [_text(cell) if isinstance(cell, list | dict) else None for cell in cells]
            yield Column(name, is_json=True), pa.array(nested, pa.string())
        if float in plain:
            self._refuse_inexact(name, cells, lines, is_bad)
        if types != {str}:
            cells = [cell if type(cell) is str else _plain(cell) for cell in cells]
        if plain - {_Absent} or types == {_Absent}:
            yield Column(name), pa.array(cells, pa.string())

    def _refuse_inexact(self, name: str, cells: list[Any], lines: list[int], is_bad: set[int]) -> None:
        """Note numbers beyond 64 bit, which JSON's reader rounds: an id would become another one."""
        for place, cell in enumerate(cells):
            if isinstance(cell, float) and abs(cell) >= MOST_EXACT:
                self.problems.add(lines[place], "number_not_exact", column=name, value=_text(cell))
                is_bad.add(lines[place])


class _Absent:
    """Stands for what a line does not name."""


_ABSENT = _Absent()


def _plain(value: Any) -> str | None:
    if value is None:
        return ""
    if isinstance(value, list | dict | _Absent):
        return None
    return _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
