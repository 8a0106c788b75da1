"""What reading a file proves of its columns is never more than SQL would find (issue 4, goal C)."""

import io
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from loyalty.models import AttributeDefinition, Member, MemberImport
from loyalty.services import member_columns, member_import, member_proof
from loyalty.tables.shape import Batch, Column
from tests.factories import ProgrammeFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# Near what is right: the mistakes that people and programs make.
CELLS = {
    "birth_date": ["1980-02-29", "1981-02-29", "2026-02-30", "1899-12-31", "3000-01-01", "80-01-01", "1980-1-1", "x"],
    "joined_at": [
        "2020-03-01T10:00:00+00:00", "2020-03-01 10:00:00Z", "2020-03-01", "2020-03-01T10:00:00",
        "2020-13-01T10:00:00Z",
        "2020-03-01T24:00:00Z", "2020-03-01T10:60:00Z", "2020-03-01T10:00:00+15:00", "2020-03-01T10:00:00+0000",
        "1800-03-01T10:00:00Z", "9999-03-01T10:00:00Z",
    ],
    "email": ["a@example.com", "Ä@example.com", "a@b", "a.b+c@ex-ample.co.uk", "@", "a@example.com\nb",
              "x" * 60 + "@a.io"],
    "language": ["en", "de-AT", "EN", "e", "english"],
    "country": ["US", "us", "USA", "Ü1"],
    "city": ["Lyon", "L" * 100, "L" * 101, "É" * 99, "É" * 101],
    "points": ["1", "-1.5", "1,5", "1e3", "0" * 19, "NaN", "1."],
    "since": ["2020-01-01", "2020-01-32", "0001-01-01"],
    "note": ["x" * 500, "x" * 501, "é" * 500, "ok"],
}  # fmt: skip


def proven(name, cells, definitions=None):
    proofs = member_proof.Proofs(lambda one: member_columns.proof_of(one, definitions or {}, {}))
    batches = [Batch((Column(name),), pa.array(range(len(some))), (pa.array(some, pa.string()),)) for some in cells]
    assert len(list(proofs.watch(iter(batches)))) == len(batches)
    return name in proofs.proven


@pytest.mark.parametrize("name", ["birth_date", "joined_at", "email", "language", "country", "city"])
def test_a_column_of_right_empty_and_absent_cells_is_proven(name):
    right = CELLS[name][0]
    assert proven(name, [[right, "", None], [None], [""], []])
    assert not proven(name, [[right], [CELLS[name][-1]], [right]])


def test_one_wrong_cell_in_any_batch_unproves_the_column_for_good():
    assert not proven("birth_date", [["1980-01-01"], ["1980-02-30"], ["1980-01-01"]])
    assert not proven("status", [["active"]])
    assert not proven("shoe", [["42"]])


@pytest.mark.django_db
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_what_is_proven_has_no_problem_that_sql_would_find(data, programme):
    """The same file with and without proofs: the same problems, the same members."""
    names = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=3, unique=True))
    rows = data.draw(
        st.lists(st.tuples(*(st.sampled_from([*CELLS[name], ""]) for name in names)), min_size=1, max_size=3)
    )
    table = pa.table(
        {"external_id": [f"M-{number}" for number in range(len(rows))]}
        | {name: [row[place] for row in rows] for place, name in enumerate(names)}
    )
    told = [_outcome(programme, table, is_proving) for is_proving in (True, False)]
    assert told[0] == told[1]


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    for name, kind in (("points", "number"), ("since", "date"), ("note", "text")):
        AttributeDefinition.objects.create(programme=programme, name=name, type=kind, label=name)
    return programme


def _outcome(programme, table, is_proving):
    into = io.BytesIO()
    parquet.write_table(table, into)
    Member.objects.filter(programme=programme).delete()
    into.seek(0)
    made = member_import.receive(
        programme=programme, file=into, file_name="m.parquet", wish=MemberImport.Wish.IMPORT, now=NOW
    )
    with pytest.MonkeyPatch.context() as patched:
        if not is_proving:
            patched.setattr(member_columns, "proof_of", lambda *given: None)
        member_import.work(import_id=made.pk, now=NOW)
    made.refresh_from_db()
    return (
        made.state,
        sorted(made.problems.values_list("line", "field", "code", "value")),
        sorted(
            (one.external_id, one.email_key, str(one.birth_date), str(one.joined_at), str(one.attributes))
            for one in Member.objects.filter(programme=programme)
        ),
    )
