"""Tables as files: three formats that say the same, a part in memory at a time, no formula anywhere (S4-27)."""

import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta, timezone

import pyarrow.parquet
import pytest
import python_calamine

from loyalty import parquet_export, table_export
from loyalty.table_export import Column

COLUMNS = [Column("member"), Column("n", "number"), Column("at", "moment")]
AT = datetime(2026, 11, 22, 10, 2, 3, 4, tzinfo=timezone(timedelta(hours=5)))
LINES = [["M-1", 1, AT], ["=1+1", 0, None], [None, None, AT], ['Größe; "x"\n,', 2**53, None], ["http://x.test", 3, AT]]


def file(format, lines=LINES, columns=COLUMNS):
    answer = table_export.stream(name="runs", format=format, columns=columns, lines=iter(lines))
    assert answer.headers["Content-Disposition"] == f'attachment; filename="runs.{format}"'
    return b"".join(answer.streaming_content)


def of_csv(content):
    head, *found = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return head, [[text.removeprefix("'") for text in line] for line in found]


def of_xlsx(content):
    head, *found = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    # Spreadsheets know one kind of number.
    return head, [[str(int(cell)) if isinstance(cell, float) else cell for cell in line] for line in found]


def of_parquet(content):
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    assert [str(field.type) for field in table.schema] == ["string", "int64", "timestamp[us, tz=UTC]"]

    def text(value):
        return "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)

    return table.column_names, [[text(value) for value in line.values()] for line in table.to_pylist()]


def test_s4_27_the_three_formats_hold_the_same():
    """Empty cells, formulas, line feeds, links and large numbers included; moments are in UTC."""
    wanted = (
        ["member", "n", "at"],
        [
            ["M-1", "1", "2026-11-22T05:02:03.000004+00:00"],
            ["=1+1", "0", ""],
            ["", "", "2026-11-22T05:02:03.000004+00:00"],
            ['Größe; "x"\n,', str(2**53), ""],
            ["http://x.test", "3", "2026-11-22T05:02:03.000004+00:00"],
        ],
    )
    assert of_csv(file("csv")) == of_xlsx(file("xlsx")) == of_parquet(file("parquet")) == wanted


def test_s4_27_no_cell_runs_as_a_formula_and_none_is_a_link():
    assert "\n'=1+1,0," in file("csv").decode("utf-8-sig").replace("\r", "")
    sheet = zipfile.ZipFile(io.BytesIO(file("xlsx"))).read("xl/worksheets/sheet1.xml").decode()
    assert ("<f>" in sheet, "hyperlink" in sheet, "=1+1" in sheet) == (False, False, True)


@pytest.mark.parametrize("format", ["csv", "xlsx", "parquet"])
def test_s4_27_a_table_without_lines_has_its_head(format):
    read = {"csv": of_csv, "xlsx": of_xlsx, "parquet": of_parquet}[format]
    assert read(file(format, [])) == (["member", "n", "at"], [])


def test_s4_27_a_table_longer_than_a_sheet_goes_on_in_the_next_one(monkeypatch):
    """Each sheet has the head, and no line is lost between them."""
    monkeypatch.setattr(table_export, "SHEET_LINES", 4)
    book = python_calamine.CalamineWorkbook.from_filelike(
        io.BytesIO(file("xlsx", [[f"M-{n}", n, None] for n in range(7)]))
    )
    sheets = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    assert [len(sheet) for sheet in sheets] == [4, 4, 2]
    assert [sheet[0][0] for sheet in sheets] == ["member"] * 3
    assert [line[0] for sheet in sheets for line in sheet[1:]] == [f"M-{n}" for n in range(7)]
    assert table_export.SHEET_LINES == 4


def test_s4_27_a_sheet_holds_what_spreadsheets_take():
    assert table_export.SHEET_LINES == 2**20


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_s4_27_lines_are_read_while_the_file_is_sent(format):
    """The first bytes leave before the last line is read."""
    read = []

    def lines():
        for n in range(50_000):
            read.append(n)
            yield [f"M-{n}", n, datetime(2026, 1, 1, tzinfo=UTC)]

    answer = table_export.stream(name="runs", format=format, columns=COLUMNS, lines=lines())
    parts = iter(answer.streaming_content)
    next(parts)
    assert len(read) <= parquet_export.PART
    for _ in parts:
        pass
    assert len(read) == 50_000
