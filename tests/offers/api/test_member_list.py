"""Lists of members through the API (issue 4)."""

import io
from datetime import time, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from loyalty import clock
from loyalty.models import ApiClient, AuditEvent, Scope
from offers.models import MemberList, Targeting, TargetingVersion
from offers.selectors import member_list_use
from offers.services import member_list, run_schedule
from offers.services.mass_assignment import LaunchPlan
from offers.services.run_schedule import When
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    draft_run,
    launch_run,
    work,
)

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/member-lists"


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    MemberFactory(programme=programme, external_id="M-1")
    MemberFactory(programme=programme, external_id="M-2")
    return programme


@pytest.fixture
def head(programme):
    _, key = ApiClient.objects.create_key(
        name="analytics", programme=programme, scopes=[Scope.TARGETINGS, Scope.MEMBERS]
    )
    return {"Authorization": f"Api-Key {key}"}


def test_issue_4_ids_become_a_list_and_the_unknown_are_named(client, head):
    body = {"name": "Spring", "members": ["M-1", "nobody", "M-1", "M-2"]}
    answer = client.post(ADDRESS, body, content_type="application/json", headers=head)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["name"], told["members"], told["unknown"], told["repeated"]) == ("Spring", 2, 1, 1)
    assert told["left_out"] == [
        {"line": 3, "why": "unknown", "id": "nobody", "first_line": None},
        {"line": 4, "why": "repeated", "id": "M-1", "first_line": 2},
    ]
    assert client.get(f"{ADDRESS}/{told['id']}", headers=head).json() == told
    assert [one["id"] for one in client.get(ADDRESS, headers=head).json()] == [told["id"]]
    count = client.post(
        "/api/v1/targetings/count",
        {"criteria": {"list": told["id"]}},
        content_type="application/json",
        headers=head,
    )
    assert (count.json()["count"], count.json()["sentence"]) == (2, "is in the list “Spring”")
    assert AuditEvent.objects.get(action="member_list.uploaded").api_client.name == "analytics"


def test_a_table_becomes_a_list(client, head):
    sent = {"content_type": "text/csv", "headers": head, "data": b"who,points\nM-2,7\n"}
    answer = client.post(f"{ADDRESS}?name=Table&column=who", **sent)
    assert (answer.status_code, answer.json()["columns"]) == (201, ["points"])
    again = client.post(f"{ADDRESS}?name=Table&column=who", **sent)
    assert (again.status_code, again.json()["code"]) == (409, "member_list_name_taken")
    assert client.post(f"{ADDRESS}?column=who", **sent).json()["problems"][0]["field"] == "name"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "members": []}, "members"),
        ({"name": "x", "members": ["x" * 201]}, "members.0"),
        ({"name": "x", "members": ["nobody"]}, "file"),
        ({"name": "x\0", "members": ["M-1"]}, "name"),
        ({"name": "x", "members": ["M-1\0"]}, "members.0"),
        ({"members": ["M-1"]}, "name"),
    ],
)
def test_what_cannot_be_a_list_is_refused_with_its_field(client, head, body, field):
    answer = client.post(ADDRESS, body, content_type="application/json", headers=head)
    assert answer.status_code == 422, answer.json()
    assert [one["field"] for one in answer.json()["problems"]] == [field]
    assert not MemberList.objects.exists()


def test_another_programmes_list_is_not_found(client, head):
    theirs = ProgrammeFactory()
    made = MemberList.objects.create(programme=theirs, name="x", lines=0, size=0, unknown=0, repeated=0)
    assert client.get(f"{ADDRESS}/{made.pk}", headers=head).status_code == 404
    assert client.get(ADDRESS, headers=head).json() == []


def _upload(programme, name="Spring"):
    file = io.BytesIO(b"member,Days\nM-1,10\nM-2,20\n")
    return member_list.upload(programme=programme, name=name, file=file, file_name="spring.csv", actor=None)


def _taking(made):
    return {"validity": {"days": {"list": made.pk, "column": "Days", "minimum": 7, "maximum": 90}}}


def test_s1_01_a_list_says_which_audiences_runs_and_schedules_use_it(client, head, programme):
    """S1-01, S4-26: members from it, or values from its columns; runs that are over too; another list's are not."""
    made, other = _upload(programme), _upload(programme, "Other")
    nowhere = client.get(f"{ADDRESS}/{other.pk}", headers=head).json()["used_by"]
    assert nowhere == {
        "targetings": [], "targeting_count": 0, "mass_assignments": [], "mass_assignment_count": 0,
        "run_schedules": [], "run_schedule_count": 0,
    }  # fmt: skip
    offer = ConfigOfferFactory(programme=programme)
    guests = TargetingFactory(programme=programme, name="Guests", criteria={"op": "or", "items": [{"list": made.pk}]})
    everyone = TargetingFactory(programme=programme, name="Everyone")
    gone = TargetingFactory(programme=programme, name="Gone", criteria={"list": made.pk})
    Targeting.objects.filter(pk=gone.pk).update(archived_at=gone.updated_at)
    over = work(launch_run(offer, targeting=guests, name="To guests"))
    draft = draft_run(offer, targeting=everyone, name="Their days", member_values=_taking(made))
    draft_run(offer, targeting=everyone, name="Neither", member_values=_taking(other))
    template = offer.templates.get()
    schedules = [
        run_schedule.create(
            programme=programme, reference=uuid4(), template=template, targeting_version=targeting.current_version,
            name=name, campaign=None, terms={}, member_values=values, rank=None, hold_out_percent=Decimal(0),
            plan=LaunchPlan(), when=When("daily", time(9), clock.now().date() + timedelta(days=1)), actor=None,
            now=clock.now(),
        )
        for name, targeting, values in (
            ("Daily guests", guests, {}), ("Daily days", everyone, _taking(made)), ("Daily, else", everyone, {}),
        )
    ]  # fmt: skip
    used_by = client.get(f"{ADDRESS}/{made.pk}", headers=head).json()["used_by"]
    assert used_by["targetings"] == [{"id": guests.pk, "name": "Guests"}]
    assert used_by["mass_assignments"] == [
        {"id": draft.pk, "name": "Their days", "state": "draft", "takes_values": True},
        {"id": over.pk, "name": "To guests", "state": "finished", "takes_values": False},
    ]
    assert [one["name"] for one in used_by["run_schedules"]] == ["Daily days", "Daily guests"]
    assert (used_by["targeting_count"], used_by["mass_assignment_count"], used_by["run_schedule_count"]) == (1, 2, 2)
    run_schedule.end(schedule=schedules[0], actor=None, now=clock.now())
    assert client.get(f"{ADDRESS}/{made.pk}", headers=head).json()["used_by"]["run_schedule_count"] == 1


def test_s1_01_however_many_use_it_the_newest_are_named_and_all_are_counted(
    client, head, programme, django_assert_num_queries
):
    """S1-01: the answer is bounded, and costs the same."""
    made = _upload(programme)
    offer = ConfigOfferFactory(programme=programme)
    guests = TargetingFactory(programme=programme, criteria={"list": made.pk})
    runs = [draft_run(offer, targeting=guests, name=f"Run {number}") for number in range(23)]
    with django_assert_num_queries(7):
        uses = member_list_use.of(made)
    assert [run.pk for run in uses.runs] == [run.pk for run in reversed(runs)][:20]
    assert client.get(f"{ADDRESS}/{made.pk}", headers=head).json()["used_by"]["mass_assignment_count"] == 23


def test_d_21_what_another_programme_does_with_the_same_number_is_not_told(programme):
    """D-21: a tree of theirs that names our list's number is none of ours."""
    made = _upload(programme)
    theirs = TargetingFactory(programme=ProgrammeFactory())
    TargetingVersion.objects.filter(targeting=theirs).update(criteria={"list": made.pk})
    draft_run(ConfigOfferFactory(programme=theirs.programme), targeting=theirs)
    assert not member_list_use.of(made)
