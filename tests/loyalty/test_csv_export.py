"""The one way in which lists leave as files."""

from loyalty import csv_export


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
