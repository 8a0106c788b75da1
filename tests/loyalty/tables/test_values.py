"""Values that a file holds otherwise than they were meant: nothing is taken for another number, day or cell (B-17)."""

import datetime
import io
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from loyalty.tables import Problems
from tests.loyalty.tables.test_reading import found, parquet, read, refused, xlsx


def said(content: bytes, name: str) -> list[str]:
    problems: Problems = read(content, name)[1]
    return [problem.message for problem in problems.listed]


def test_a_number_that_a_spreadsheet_cannot_keep_is_refused_rather_than_made_another_members_id():
    """Two cards of 18 digits would both be 1e+18; fifteen digits are kept (S1-01)."""
    content = xlsx([["id"], [123456789012345], [10**18], [10**18 + 1], [-(10**15)], [0.5]])
    rows, _problems = read(content, "a.xlsx")
    assert [row["id"] for row in rows] == ["123456789012345", "0.5"]
    assert found(content, "a.xlsx") == [(3, "number_not_exact"), (4, "number_not_exact"), (5, "number_not_exact")]
    assert "“id” holds the number 1e+18, whose last digits are lost" in said(content, "a.xlsx")[0]


def test_a_number_beyond_64_bit_in_jsonl_and_a_large_float_in_parquet_are_refused_too():
    lines = b'{"id": 1000000000000000000}\n{"id": 123456789012345678901234567890}\n{"id": 1.5}\n'
    assert [row["id"] for row in read(lines, "a.jsonl")[0]] == ["1000000000000000000", "1.5"]
    assert found(lines, "a.jsonl") == [(2, "number_not_exact")]
    content = parquet({"id": pa.array([1.0, None, 1e18, float("inf")]), "whole": pa.array([2**62] * 4)})
    rows, _problems = read(content, "a.parquet")
    assert [row["id"] for row in rows] == ["1", "", "inf"]
    assert {row["whole"] for row in rows} == {str(2**62)}
    assert found(content, "a.parquet") == [(3, "number_not_exact")]


def book(first: list[list[Any]], second: list[list[Any]]) -> bytes:
    into = io.BytesIO()
    with xlsxwriter.Workbook(into) as made:
        for rows in (first, second):
            sheet = made.add_worksheet()
            for number, row in enumerate(rows):
                for place, cell in enumerate(row):
                    if cell == "#N/A":
                        sheet.write_formula(number, place, "=NA()", None, "#N/A")
                    else:
                        sheet.write(number, place, cell)
    return into.getvalue()


def test_a_cell_whose_formula_failed_is_no_empty_cell():
    """An empty cell empties the member's field: a lookup that found nothing does not mean that (issue 4, C)."""
    content = book([["id", "city"], ["1", "Paris"], ["2", "#N/A"], ["3", ""]], [["#N/A"]])
    rows, _problems = read(content, "a.xlsx")
    assert [(row["id"], row["city"]) for row in rows] == [("1", "Paris"), ("3", "")]
    assert found(content, "a.xlsx") == [(3, "cell_with_error")]
    assert said(content, "a.xlsx") == ["Cell B3 holds an error such as #N/A. Mend its formula, or empty the cell."]
    assert found(book([["id"], ["1"]], [["#N/A"]]), "a.xlsx") == []


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_of_pandas_are_read_at_midnight_as_days(unit):
    """pandas writes every day as a moment in nanoseconds, which no field takes (issue 4, C)."""
    midnight = datetime.datetime(2026, 12, 31, tzinfo=datetime.UTC)
    aware = [midnight, midnight + datetime.timedelta(hours=18, seconds=5), None]
    days = [one and one.replace(tzinfo=None) for one in aware]
    content = parquet(
        {"day": pa.array(days, pa.timestamp(unit)), "moment": pa.array(aware, pa.timestamp(unit, "Europe/Paris"))},
        version="2.6",
    )
    rows, problems = read(content, "a.parquet")
    assert [row["day"] for row in rows] == ["2026-12-31", "2026-12-31 18:00:05.000000", ""]
    assert [row["moment"] for row in rows] == ["2026-12-31 00:00:00.000000Z", "2026-12-31 18:00:05.000000Z", ""]
    assert problems.count == 0


def test_nanoseconds_that_are_there_are_left_out():
    content = parquet({"a": pa.array([1_001], pa.timestamp("ns")), "b": pa.array([1_001], pa.timestamp("ns", "UTC"))})
    [row] = read(content, "a.parquet")[0]
    assert (row["a"], row["b"]) == ("1970-01-01 00:00:00.000001", "1970-01-01 00:00:00.000001Z")


def test_an_empty_first_line_is_a_header_without_a_name():
    assert refused(b"\nid,name\n1,Ada\n") == "invalid_header"
