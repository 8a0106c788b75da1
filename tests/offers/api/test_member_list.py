"""Lists of members through the API (issue 4)."""

import pytest

from loyalty.models import ApiClient, AuditEvent, Scope
from offers.models import MemberList
from tests.factories import MemberFactory, ProgrammeFactory

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
