"""Runs later and again over the API (issue 4, "now, later or recurring"; D-09)."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import MassAssignment, RunSchedule
from offers.services import run_schedule
from tests.factories import (
    ApiClientFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    programme = ProgrammeFactory(timezone="Europe/Paris")
    ConfigOfferFactory(programme=programme, offer_reference="coffee", name="Coffee")
    MemberFactory.create_batch(3, programme=programme)
    return programme


@pytest.fixture
def everyone(programme):
    return TargetingFactory(programme=programme, name="Everyone")


def caller(client, programme, scopes=("targetings",)):
    _client, key = ApiClientFactory(programme=programme, scopes=list(scopes))

    def call(method, path, data=None, **headers):
        return getattr(client, method)(
            f"/api/v1/{path}", data=data, content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"} | headers,
        )  # fmt: skip

    call.client = _client
    return call


@pytest.fixture
def api(programme, client):
    return caller(client, programme)


def wanted(programme, everyone, **more):
    tomorrow = clock.now().astimezone(programme.zone).date() + timedelta(days=1)
    return {
        "config_offer": "coffee", "targeting": everyone.pk, "frequency": "weekly", "time": "09:00",
        "starts_on": tomorrow.isoformat(),
    } | more  # fmt: skip


def test_a_schedule_is_made_once_listed_paused_resumed_and_ended_over_the_api(api, programme, everyone):
    """Issue 4, recurring; D-09: nine o'clock of Paris; the same key again makes no second one; each verb is audited."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    made = api("post", "run-schedules", wanted(programme, everyone, rank=3), **key)
    assert made.status_code == 201, made.content
    assert api("post", "run-schedules", wanted(programme, everyone, rank=3), **key).json() == made.json()
    schedule = RunSchedule.objects.get()
    told = made.json()
    assert (told["frequency"], told["time"], told["runs"], told["rank"]) == ("weekly", "09:00", 0, 3)
    assert schedule.next_at.astimezone(programme.zone).strftime("%H:%M") == "09:00"
    assert schedule.created_client == api.client
    [run_id] = run_schedule.make_due(now=schedule.next_at)
    assert MassAssignment.objects.get(pk=run_id).rank == 3
    [listed] = api("get", "run-schedules").json()["results"]
    assert (listed["id"], listed["runs"]) == (schedule.pk, 1)
    address = f"run-schedules/{schedule.pk}"
    assert api("post", f"{address}/pause").json()["paused_at"]
    assert api("post", f"{address}/resume").json()["paused_at"] is None
    ended = api("post", f"{address}/end").json()
    assert ended["ended_at"]
    assert ended["next_at"] is None
    again = api("post", f"{address}/pause")
    assert (again.status_code, again.json()["code"]) == (409, "schedule_over")
    assert api("get", address).json() == ended
    actions = AuditEvent.objects.filter(action__startswith="run_schedule.", api_client=api.client)
    assert set(actions.values_list("action", flat=True)) == {
        "run_schedule.created", "run_schedule.paused", "run_schedule.resumed", "run_schedule.ended"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"starts_on": "2999-01-01"}, "starts_on"),
        ({"starts_on": "2026-02-31"}, "starts_on"),
        ({"starts_on": "2020-01-02", "ends_on": "2020-01-01"}, "ends_on"),
        ({"starts_on": "2020-01-01", "ends_on": "2020-02-01"}, "ends_on"),
        ({"frequency": "hourly"}, "frequency"),
        ({"time": "25:00"}, "time"),
        ({"targeting": 10**9}, "targeting"),
        ({"config_offer": "nothing"}, "template"),
    ],
)
def test_what_cannot_be_is_named_by_its_field_and_nothing_is_made(api, programme, everyone, change, field):
    """Issue 4, bad input: the wrong way round, over, too far, no such day."""
    refused = api("post", "run-schedules", wanted(programme, everyone, **change))
    assert refused.status_code == 422, refused.content
    assert field in [one["field"] for one in refused.json()["problems"]]
    assert not RunSchedule.objects.exists()


def test_a_key_does_not_approve_the_runs_of_its_own_schedule(client, programme, everyone):
    """Issue 4, approval: a second key does, as for a run that it launched itself."""
    programme.approval_members = 1
    programme.save()
    api = caller(client, programme, ("targetings", "runs:approve"))
    api("post", "run-schedules", wanted(programme, everyone))
    [run_id] = run_schedule.make_due(now=RunSchedule.objects.get().next_at)
    assert MassAssignment.objects.get(pk=run_id).state == "awaiting_approval"
    assert api("post", f"mass-assignments/{run_id}/approve").json()["code"] == "not_approvable"
    other = caller(client, programme, ("targetings", "runs:approve"))
    assert other("post", f"mass-assignments/{run_id}/approve").json()["state"] == "scheduled"


def test_a_run_begins_at_its_moment_and_a_moment_that_is_over_is_named(api, programme, everyone):
    """Issue 4, later: `launch_at` with a draft; in the past, or years away, it is refused by its field."""
    given = {"config_offer": "coffee", "targeting": everyone.pk}
    for wrong in ("2001-01-01T09:00:00Z", "2099-01-01T09:00:00Z", "soon"):
        refused = api("post", "mass-assignments", given | {"launch_at": wrong})
        assert refused.status_code == 422
        assert [one["field"] for one in refused.json()["problems"]] == ["launch_at"]
    assert not MassAssignment.objects.exists()
    later = clock.now().replace(microsecond=0) + timedelta(days=2)
    made = api("post", "mass-assignments", given | {"launch_at": later.isoformat()}).json()
    launched = api("post", f"mass-assignments/{made['id']}/launch").json()
    assert launched["state"] == "scheduled"
    assert MassAssignment.objects.get().launch_at == later


def test_a_list_of_schedules_takes_as_many_queries_however_many_there_are(
    api, programme, everyone, django_assert_num_queries
):
    """Issue 4: each with its campaign, which is looked up with it."""

    def more(name: str) -> None:
        campaign = CampaignFactory(programme=programme, external_id=name)
        made = api("post", "run-schedules", wanted(programme, everyone, name=name, campaign=campaign.external_id))
        assert made.status_code == 201, made.content

    more("one")
    with CaptureQueriesContext(connection) as of_one:
        api("get", "run-schedules")
    spent = len(of_one)
    more("two")
    more("three")
    with django_assert_num_queries(spent):
        listed = api("get", "run-schedules").json()["results"]
    assert [each["campaign"] for each in listed] == ["three", "two", "one"]


def test_another_brands_schedule_is_unknown(api, programme, everyone, client):
    """D-21: neither shown nor ended."""
    made = api("post", "run-schedules", wanted(programme, everyone)).json()
    theirs = caller(client, ProgrammeFactory())
    assert theirs("get", f"run-schedules/{made['id']}").status_code == 404
    assert theirs("post", f"run-schedules/{made['id']}/end").status_code == 404
    assert theirs("get", "run-schedules").json()["results"] == []


def test_a_launched_run_is_moved_and_one_that_has_begun_is_not(api, programme, everyone):
    """Issue 4, "later"; D-09: another moment in UTC, once under one key, audited; a wrong one is named by its field."""
    later = clock.now() + timedelta(days=3)
    run = api(
        "post", "mass-assignments",
        {"config_offer": "coffee", "targeting": everyone.pk, "launch_at": later.isoformat()},
    ).json()  # fmt: skip
    path = f"mass-assignments/{run['id']}"
    moved = (later + timedelta(hours=2)).replace(microsecond=0)
    assert api("post", f"{path}/reschedule", {"launch_at": moved.isoformat()}).json()["code"] == "schedule_over"
    assert api("post", f"{path}/launch").json()["state"] == "scheduled"
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answer = api("post", f"{path}/reschedule", {"launch_at": moved.isoformat()}, **key)
    assert (answer.status_code, answer.json()["state"]) == (200, "scheduled")
    assert api("post", f"{path}/reschedule", {"launch_at": moved.isoformat()}, **key).json() == answer.json()
    assert MassAssignment.objects.get().launch_at == moved
    event = AuditEvent.objects.get(action="mass_assignment.rescheduled")
    assert (event.api_client, event.data) == (api.client, {"launch_at": moved.isoformat()})
    for wrong in ("2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "soon", None, ["2027-01-01"]):
        refused = api("post", f"{path}/reschedule", {"launch_at": wrong})
        assert (refused.status_code, refused.json()["problems"][0]["field"]) == (422, "launch_at"), wrong
    assert api("post", f"{path}/reschedule", {}).status_code == 422
    assert MassAssignment.objects.get().launch_at == moved
    MassAssignment.objects.update(state="running")
    begun = api("post", f"{path}/reschedule", {"launch_at": (moved + timedelta(days=1)).isoformat()})
    assert (begun.status_code, begun.json()["code"]) == (409, "schedule_over")
