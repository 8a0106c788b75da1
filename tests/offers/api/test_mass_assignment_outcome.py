"""A run's members over the API: filtered, by cursor, as files (S4-27, B-03, D-10)."""

import csv
import io

import pyarrow.parquet
import pytest

from loyalty.models import AuditEvent
from offers.models import Assignment
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    plan_run,
    redeem,
    work,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def run(programme):
    MemberFactory.create_batch(4, programme=programme)
    MemberFactory(programme=programme, status="inactive")
    run = work(plan_run(ConfigOfferFactory(programme=programme)))
    redeem(Assignment.objects.order_by("member").first())
    return run


@pytest.fixture
def get(programme, client):
    _client, key = ApiClientFactory(programme=programme, scopes=["targetings"])
    return lambda path: client.get(f"/api/v1/mass-assignments/{path}", headers={"Authorization": f"Api-Key {key}"})


def test_s4_27_outcomes_are_filtered_by_what_became_of_them(get, run):
    used = get(f"{run.pk}/outcomes?since=redeemed").json()["results"]
    assert [(each["outcome"], each["since"]) for each in used] == [("assigned", "redeemed")]
    member = used[0]["member"]
    assert get(f"{run.pk}/outcomes?text={member}&since=open").json()["results"] == []


@pytest.mark.parametrize("wrong", ["outcome=x", "since=x", "text=" + "x" * 101, "text=%00", "limit=0", "cursor=-1"])
def test_s4_27_a_filter_that_is_none_is_refused(get, run, wrong):
    assert get(f"{run.pk}/outcomes?{wrong}").status_code == 422
    if not wrong.startswith(("limit", "cursor")):
        assert get(f"{run.pk}/outcomes/csv?{wrong}").status_code == 422
        assert not AuditEvent.objects.filter(action="mass_assignment.exported").exists()


def test_s4_27_files_are_streamed_and_audited_with_the_key(get, run):
    answer = get(f"{run.pk}/outcomes/csv?outcome=assigned")
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    table = pyarrow.parquet.read_table(
        io.BytesIO(b"".join(get(f"{run.pk}/outcomes/parquet?outcome=assigned").streaming_content))
    ).to_pylist()
    assert [line["member"] for line in lines] == [row["member"] for row in table]
    assert len(lines) == 4
    assert get(f"{run.pk}/outcomes/xlsx").headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert AuditEvent.objects.filter(action="mass_assignment.exported", api_client__isnull=False).count() == 3


def test_s4_27_another_programmes_run_has_no_files_here(get):
    there = work(plan_run(ConfigOfferFactory()))
    assert get(f"{there.pk}/outcomes/csv").status_code == 404
