"""Staging a table by COPY: values arrive as they were read, and nothing stays behind (issue 4, C)."""

import io

import orjson
import pytest
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from loyalty import tables
from loyalty.database import rows

NAMES = ["id", "name"]


def begun(content: bytes, name: str = "a.csv") -> tables.Table:
    return tables.read(file=io.BytesIO(content), file_name=name, problems=tables.Problems())


def left() -> list[str]:
    return [row["tablename"] for row in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")]


@pytest.mark.django_db
def test_rows_are_staged_with_their_lines_and_the_table_is_taken_away():
    with tables.staged(begun(b'id,name\n1,"a\nb"\n2,\n')) as staging:
        found = rows(f"SELECT line, {staging.text('id')} AS id, {staging.text('name')} AS name FROM {staging.name}")
        assert staging.names == NAMES
        assert (staging.rows, staging.text("nothing"), staging.json("id")) == (2, None, None)
    assert found == [{"line": 2, "id": "1", "name": "a\nb"}, {"line": 4, "id": "2", "name": ""}]
    assert left() == []


@pytest.mark.django_db
def test_columns_that_later_lines_of_a_jsonl_name_are_nothing_on_earlier_ones():
    lines = [{"id": 1}] * 60_000 + [{"id": 2, "tags": ["a"]}] * 60_000 + [{"tags": "b", "id": None}]
    with tables.staged(begun(b"\n".join(map(orjson.dumps, lines)), "a.jsonl")) as staging:
        assert staging.rows == 120_001
        id_, text, json = staging.text("id"), staging.text("tags"), staging.json("tags")
        found = rows(
            f"SELECT {id_} AS id, {text} AS text, {json}::text AS json, count(*) FROM {staging.name} "
            "GROUP BY 1, 2, 3 ORDER BY 1"
        )
    assert found == [
        {"id": "", "text": "b", "json": None, "count": 1},
        {"id": "1", "text": None, "json": None, "count": 60_000},
        {"id": "2", "text": None, "json": '["a"]', "count": 60_000},
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", [RuntimeError, DatabaseError])
def test_nothing_stays_behind_when_the_work_fails(fault: type[Exception]):
    def work() -> None:
        with transaction.atomic(), tables.staged(begun(b"id\n1\n")) as staging:
            if fault is RuntimeError:
                raise RuntimeError
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT nonsense FROM {staging.name}")

    with pytest.raises(fault):
        work()
    assert left() == []


@pytest.mark.django_db
def test_a_file_that_turns_out_too_large_leaves_no_table_in_a_transaction_that_goes_on(settings):
    settings.TABLE_FILE_MAX_ROWS = 1
    with pytest.raises(tables.TableTooLarge), tables.staged(begun(b"id\n1\n2\n")):
        pass
    assert left() == []


@pytest.mark.django_db(transaction=True)
def test_staging_needs_a_transaction():
    with pytest.raises(TransactionManagementError), tables.staged(begun(b"id\n1\n")):
        pass


class TestEveryText(TestCase):
    @given(
        values=st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1, max_size=10
        )
    )
    def test_any_text_arrives_as_it_was(self, values: list[str]):
        r"""Quotes, `\N`, `\.`, backslashes, line feeds and other languages (hypothesis)."""
        given = [*values, "\\N", "\\.", '"', "\\", ""]
        content = b"\n".join(orjson.dumps({"id": value}) for value in given)
        with tables.staged(begun(content, "a.jsonl")) as staging:
            found = rows(f"SELECT {staging.text('id')} AS id FROM {staging.name} ORDER BY line")
        assert [row["id"] for row in found] == given
