"""Tables by file: four formats into one shape, and every structural problem by its line (issue 4, C; B-17)."""

import csv
import datetime
import io
import json
import tracemalloc
import zipfile
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from loyalty import tables
from loyalty.tables import Column

CSV = "members.csv"


def read(content: bytes, name: str = CSV) -> tuple[list[dict[str, Any]], tables.Problems]:
    """Return every row, with its line, and the problems."""
    problems = tables.Problems()
    rows: list[dict[str, Any]] = []
    for batch in tables.read(file=io.BytesIO(content), file_name=name, problems=problems).batches:
        for place, line in enumerate(batch.lines.to_pylist()):
            row: dict[str, Any] = {"line": line}
            for column, values in zip(batch.columns, batch.values, strict=True):
                value = values[place].as_py()
                if column.is_json and value is not None:
                    value = json.loads(value)
                if value is not None or column.name not in row:
                    row[column.name] = value
            rows.append(row)
    return rows, problems


def found(content: bytes, name: str = CSV) -> list[tuple[int | None, str]]:
    """Return the problems' lines and codes."""
    _rows, problems = read(content, name)
    assert all(problem.message for problem in problems.listed)
    return [(problem.line, problem.code) for problem in problems.listed]


def refused(content: bytes, name: str = CSV) -> str:
    with pytest.raises(tables.InvalidTable) as caught:
        read(content, name)
    assert caught.value.message
    return caught.value.code


def parquet(columns: dict[str, pa.Array], **options: Any) -> bytes:
    into = io.BytesIO()
    pq.write_table(pa.table(columns), into, **options)
    return into.getvalue()


def xlsx(rows: list[list[Any]], *, first: int = 0) -> bytes:
    into = io.BytesIO()
    with xlsxwriter.Workbook(into, {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows, start=first):
            sheet.write_row(number, 0, row)
    return into.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_is_read_with_any_separator_line_end_and_byte_order_mark(separator: str, end: str, mark: str):
    lines = ["id{s}name", "1{s}Ada", "2{s}Zoë", '3{s}"a{s}b"']
    rows, problems = read((mark + end.join(lines).format(s=separator)).encode())
    assert rows == [
        {"line": 2, "id": "1", "name": "Ada"},
        {"line": 3, "id": "2", "name": "Zoë"},
        {"line": 4, "id": "3", "name": f"a{separator}b"},
    ]
    assert not problems.count


def test_records_that_span_lines_and_blank_lines_keep_the_files_own_line_numbers():
    rows, problems = read(b'id,note\n1,"two\nlines"\n\n2,x\r\n3,"say ""hi"""\n')
    assert [(row["line"], row["note"]) for row in rows] == [(2, "two\nlines"), (5, "x"), (6, 'say "hi"')]
    assert not problems.count


def test_every_structural_problem_of_a_csv_is_named_by_its_line():
    content = b"".join(
        [
            b"id,name\n",
            b"1,Ada\n",
            b"2\n",
            b"3,a,b\n",
            b"4,\xff\xfe\n",
            b"5,a\0b\n",
            b'6,5" pipe\n',
            b'7,"a"b\n',
            b"8,a\rb\n",
            b"9,ok\n",
            b"10," + b"x" * 70_000 + b"\n",
            b'11,"never closed\n',
            b"12,lost\n",
        ]
    )
    rows, problems = read(content)
    assert [(problem.line, problem.code) for problem in problems.listed] == [
        (3, "ragged_row"),
        (4, "ragged_row"),
        (5, "not_utf8"),
        (6, "unstorable_character"),
        (7, "stray_quote"),
        (8, "stray_quote"),
        (9, "lone_carriage_return"),
        (11, "cell_too_long"),
        (12, "unclosed_quote"),
    ]
    assert [row["line"] for row in rows] == [2, 10, 13]
    with pytest.raises(tables.InvalidTable) as caught:
        problems.refuse()
    assert caught.value.details["problem_count"] == 9
    assert caught.value.problems[0] == {
        "line": 3, "code": "ragged_row", "message": "The line has 1 cells; the header has 2.",
    }  # fmt: skip


def test_a_line_without_an_end_is_left_out_and_the_next_ones_are_read():
    content = b"id,name\n1," + b"x" * 3_000_000 + b"\n2,b\n" + b'3,"' + b"y\n" * 1_000_000 + b'"\n4,d\n'
    rows, problems = read(content)
    assert (2, "line_too_long") in [(one.line, one.code) for one in problems.listed]
    assert (4, "unclosed_quote") in [(one.line, one.code) for one in problems.listed]
    assert rows[0] == {"line": 3, "id": "2", "name": "b"}
    assert rows[-1] == {"line": 1_000_005, "id": "4", "name": "d"}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", b"", "empty_file"),
        ("a.csv", b"\xef\xbb\xbf \n", "empty_file"),
        ("a.csv", "id,name\n1,Ada\n".encode("utf-16"), "wrong_encoding"),
        ("a.csv", "id,name\n1,Ada\n".encode("utf-16-le"), "wrong_encoding"),
        ("a.csv", "id,name\n1,Ada\n".encode("utf-32"), "wrong_encoding"),
        ("a.csv", b"\x1f\x8b\x08\0", "compressed"),
        ("a.zip", b"PK\x03\x04", "compressed"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted_or_old"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted_or_old"),
        ("a.xlsx", b"id,name\n", "name_and_content_differ"),
        ("a.csv", b"PAR1....PAR1", "name_and_content_differ"),
        ("a.parquet", b"PAR1....PAR1", "unreadable"),
        ("a.xlsx", b"PK\x03\x04....", "unreadable"),
        ("a.pdf", b"%PDF-1.7", "unknown_format"),
        ("", b"id\n1\n", "unknown_format"),
        ("a.json", b'[{"id": 1}]', "one_json_array"),
        ("a.csv", b"id,id,,name\n1,2,3,4\n", "invalid_header"),
        ("a.csv", b"id,\xff\n1,2\n", "invalid_header"),
        ("a.csv", b"id\r1\r2\r", "one_line_without_end"),
        ("a.csv", ",".join(f"c{n}" for n in range(300)).encode() + b"\n", "too_many_columns"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(name: str, content: bytes, code: str):
    assert refused(content, name) == code


def test_every_fault_of_a_header_is_named():
    with pytest.raises(tables.InvalidTable) as caught:
        read(b"id,,id,\n1,2,3,4\n")
    assert [(one["code"], one["line"]) for one in caught.value.problems] == [
        ("empty_column_name", 1), ("repeated_column", 1), ("empty_column_name", 1),
    ]  # fmt: skip


def test_a_header_without_rows_is_a_problem():
    assert found(b"id,name\n") == [(None, "no_rows")]
    assert refused(parquet({"id": pa.array([], pa.string())}), "a.parquet") == "no_rows"
    assert found(xlsx([["id"]]), "a.xlsx") == [(None, "no_rows")]


def test_files_above_the_limits_are_refused(settings):
    settings.TABLE_FILE_MAX_BYTES = 20
    with pytest.raises(tables.TableTooLarge):
        read(b"id\n" + b"1\n" * 20)
    settings.TABLE_FILE_MAX_BYTES, settings.TABLE_FILE_MAX_ROWS = 1000, 3
    with pytest.raises(tables.TableTooLarge):
        read(b"id\n" + b"1\n" * 4)
    assert len(read(b"id\n" + b"1\n" * 3)[0]) == 3


def test_jsonl_tells_empty_from_absent_and_lists_from_texts():
    lines = [
        {"id": "1", "name": "Ada", "size": 12.5, "is_new": True},
        {"id": 2, "name": None, "tags": ["a", "b"]},
        {"id": "3", "tags": "a"},
    ]
    content = b"\n".join(map(orjson.dumps, lines)) + b"\n\n"
    rows, problems = read(content, "members.jsonl")
    assert rows == [
        {"line": 1, "id": "1", "name": "Ada", "size": "12.5", "is_new": "true", "tags": None},
        {"line": 2, "id": "2", "name": "", "size": None, "is_new": None, "tags": ["a", "b"]},
        {"line": 3, "id": "3", "name": None, "size": None, "is_new": None, "tags": "a"},
    ]
    assert not problems.count
    [batch] = tables.read(file=io.BytesIO(content), file_name="a.jsonl", problems=problems).batches
    assert [column for column in batch.columns if column.name == "tags"] == [Column("tags", True), Column("tags")]


def test_every_problem_of_a_jsonl_is_named_by_its_line():
    content = b"\n".join(
        [
            b'{"id": "1"}',
            b"{nonsense}",
            b"[1]",
            b'{"id": "\xff"}',
            b'{"id": "a\\u0000b"}',
            b'{"id": "\\ud800"}',
            b'{"id": {"a": "\\u0000"}}',
            b'{"id": "' + b"x" * 70_000 + b'"}',
            b'{"id": "' + b"x" * 2_000_000 + b'"}',
            b'{"id": "\\\\u0000 is fine"}',
        ]
    )
    rows, problems = read(content, "a.jsonl")
    assert [(one.line, one.code) for one in problems.listed] == [
        (2, "not_json"),
        (3, "not_an_object"),
        (4, "not_utf8"),
        (5, "unstorable_value"),
        (6, "not_json"),
        (7, "unstorable_value"),
        (8, "cell_too_long"),
        (9, "line_too_long"),
    ]
    assert [row["id"] for row in rows] == ["1", "\\u0000 is fine"]


def test_parquet_values_are_written_as_json_would_write_them():
    moment = datetime.datetime(2026, 11, 30, 12, 30, tzinfo=datetime.UTC)
    columns = {
        "text": pa.array(["Ada", None, ""]),
        "whole": pa.array([1, -2, None]),
        "number": pa.array([0.5, 5.0, None]),
        "money": pa.array([Decimal("1.50"), None, Decimal("2.00")]),
        "is_new": pa.array([True, False, None]),
        "day": pa.array([datetime.date(2026, 11, 30), None, None]),
        "moment": pa.array([moment, None, None], pa.timestamp("ms", "Europe/Berlin")),
        "category": pa.array(["x", "y", None]).dictionary_encode(),
        "tags": pa.array([["a"], [], None]),
        "size": pa.array([{"a": 1}, None, None]),
    }
    rows, problems = read(parquet(columns), "a.parquet")
    assert not problems.count
    assert rows[0] == {
        "line": 1, "text": "Ada", "whole": "1", "number": "0.5", "money": "1.50", "is_new": "true", "day": "2026-11-30",
        "moment": "2026-11-30 12:30:00.000000Z", "category": "x", "tags": ["a"], "size": {"a": 1},
    }  # fmt: skip
    assert rows[1]["number"] == "5"
    assert {name: rows[2][name] for name in ("text", "whole", "day", "category")} == dict.fromkeys(
        ("text", "whole", "day", "category"), ""
    )
    assert rows[1]["tags"] == []
    assert rows[2]["tags"] is None


def test_every_problem_of_a_parquet_is_named_by_its_row():
    broken = pa.Array.from_buffers(
        pa.string(), 4, [None, pa.array([0, 1, 2, 3, 4], pa.int32()).buffers()[1], pa.py_buffer(b"a\xffcd")]
    )
    assert found(parquet({"id": broken}, use_dictionary=False), "a.parquet") == [(2, "not_utf8")]
    texts = pa.array(["a", "b\0", "x" * 70_000, "d"])
    assert found(parquet({"id": texts}), "a.parquet") == [(3, "cell_too_long"), (2, "unstorable_character")]
    assert found(parquet({"id": pa.array([["a"], ["\0"]])}), "a.parquet") == [(2, "unstorable_value")]
    assert refused(parquet({"id": pa.array([b"a"])}), "a.parquet") == "unsupported_column"


def test_a_parquet_of_few_bytes_that_stands_for_gigabytes_fills_no_memory():
    indices = pa.array([0] * 20_000, pa.int32())
    bomb = parquet({"id": pa.DictionaryArray.from_arrays(indices, ["x" * 60_000])}, compression="zstd")
    assert len(bomb) < 1_000_000
    problems = tables.Problems()
    table = tables.read(file=io.BytesIO(bomb), file_name="a.parquet", problems=problems)
    with pytest.raises(tables.TableTooLarge):
        next(table.batches)


def test_xlsx_is_read_from_the_first_row_that_is_not_empty():
    day = datetime.date(2026, 11, 30)
    rows, problems = read(
        xlsx([["id", "size", "day", "is_new"], ["1", 5, day, True], [], ["2", 0.5]], first=3), "a.xlsx"
    )
    assert rows == [
        {"line": 5, "id": "1", "size": "5", "day": "2026-11-30", "is_new": "true"},
        {"line": 7, "id": "2", "size": "0.5", "day": "", "is_new": ""},
    ]
    assert not problems.count
    assert found(xlsx([["id", "name"], ["1", "a", "b"], ["2", "b"]]), "a.xlsx") == [(2, "ragged_row")]


def _with_cell(reference: str) -> bytes:
    """Return a sheet whose last cell is far away."""
    plain = zipfile.ZipFile(io.BytesIO(xlsx([["id"], ["1"]])))
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in plain.namelist():
            data = plain.read(name)
            if name.endswith("sheet1.xml"):
                row = reference.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
                cell = f'<row r="{row}"><c r="{reference}"><v>1</v></c></row></sheetData>'
                data = data.replace(b"</sheetData>", cell.encode())
            archive.writestr(name, data)
    return into.getvalue()


def test_spreadsheets_that_would_not_fit_into_memory_are_refused(settings):
    with pytest.raises(tables.TableTooLarge):
        read(_with_cell("XFD1048576"), "a.xlsx")
    settings.XLSX_MAX_BYTES = 1000
    with pytest.raises(tables.TableTooLarge):
        read(xlsx([["id"], ["1"]]), "a.xlsx")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=20)


@given(rows=ROWS, separator=st.sampled_from(",;\t"), end=st.sampled_from(["\n", "\r\n"]), quotes=st.booleans())
def test_whatever_the_csv_module_writes_is_read_back(rows: list[list[str]], separator: str, end: str, quotes: bool):
    """Quotes, line feeds and separators inside cells; the lines are the file's own (hypothesis)."""
    into = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quotes else csv.QUOTE_MINIMAL
    writer = csv.writer(into, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(["id", "name"])
    if not quotes:
        # The module leaves a carriage return unquoted.
        rows = [[cell.replace("\r", " ") for cell in row] for row in rows]
    lines = []
    for row in rows:
        lines.append(into.getvalue().count("\n") + 1)
        writer.writerow(row)
    read_back, problems = read(into.getvalue().encode())
    assert [one.code for one in problems.listed] == []
    assert [(row["line"], row["id"], row["name"]) for row in read_back] == [
        (line, *row) for line, row in zip(lines, rows, strict=True)
    ]


@given(content=st.binary(max_size=200), name=st.sampled_from(["a.csv", "a.jsonl", "a.parquet", "a.xlsx"]))
def test_no_bytes_bring_the_reader_down(content: bytes, name: str):
    head = {"a.csv": b"id,name\n", "a.parquet": b"PAR1", "a.xlsx": b"PK\x03\x04"}.get(name, b"")
    try:
        rows, problems = read(head + content, name)
    except (tables.InvalidTable, tables.TableTooLarge):
        return
    lines = [row["line"] for row in rows]
    assert lines == sorted(lines)
    assert rows or problems.count


def test_a_million_lines_are_read_in_little_memory():
    """Arrow's own memory too, which Python's count leaves out."""
    line = b"M-%07d,Ada,Lovelace,ada%d@example.com,Berlin\n"

    class Lines(io.RawIOBase):
        """A file that is made while it is read."""

        def __init__(self) -> None:
            self.number, self.rest = 0, b"external_id,first_name,last_name,email,city\n"

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            while len(self.rest) < size and self.number < 1_000_000:
                some = range(self.number, self.number + 10_000)
                self.rest += b"".join(line % (one, one) for one in some)
                self.number = some.stop
            found, self.rest = self.rest[:size], self.rest[size:]
            return found

    problems = tables.Problems()
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    rows = most = 0
    for batch in tables.read(file=Lines(), file_name=CSV, problems=problems).batches:
        rows += len(batch)
        most = max(most, pa.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 1_000_000
    assert most < 30_000_000
    assert peak < 30_000_000
