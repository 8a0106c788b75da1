"""The one way in which lists leave as files."""

import csv
import io

import pytest
from defusedcsv import csv as safe_csv

from loyalty import csv_export, database


def test_a_file_is_streamed_and_runs_nothing_in_a_spreadsheet():
    """UTF-8 that spreadsheets recognize, no formula, and no line made before it is sent."""
    made = []

    def lines():
        for each in (["=1+1", "Zoé"], ["a,b", 3]):
            made.append(each)
            yield each

    answer = csv_export.stream(name="list.csv", head=["id", "name"], lines=lines())
    assert made == []
    assert answer.headers["Content-Disposition"] == 'attachment; filename="list.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert b"".join(answer.streaming_content).decode() == '\ufeffid,name\r\n\'=1+1,Zoé\r\n"a,b",3\r\n'


@pytest.mark.django_db
def test_s4_27_what_the_database_writes_is_as_safe_as_what_python_writes():
    """Issue 4, "After": a file that the database writes runs no formula either."""
    cells = [
        "=1+1",
        "+1",
        "-1",
        "-1+2",
        "@x",
        "|a|b",
        "%y",
        "plain",
        "a|b",
        "1,000",
        "-1,000.5",
        "",
        "=a|b",
        " =1",
        "é",
    ]
    asked = (
        f"SELECT {csv_export.safe_cell('cell')} AS cell FROM unnest(%(cells)s::text[]) WITH ORDINALITY AS t (cell, n)"
    )
    written = [row["cell"] for row in database.rows(f"{asked} ORDER BY n", {"cells": cells})]
    safe = io.StringIO()
    safe_csv.writer(safe).writerows([cell, "."] for cell in cells)
    assert written == [row[0] for row in csv.reader(io.StringIO(safe.getvalue()))]
    assert written[0] == "'=1+1"
