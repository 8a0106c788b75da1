"""`/api/v1/members`: members from outside."""

import pytest
from django.test import Client

from loyalty.models import AuditEvent, Member, Scope
from tests.factories import ApiClientFactory, AttributeDefinitionFactory, MemberFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


@pytest.fixture
def ask(programme):
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.MEMBERS])

    def go(method: str, path: str = "", body=None, **headers):
        return getattr(Client(), method)(
            f"/api/v1/members{path}",
            **({"data": body, "content_type": "application/json"} if body is not None else {}),
            headers={"Authorization": f"Api-Key {key}"} | headers,
        )

    return go


def test_put_creates_then_changes_only_what_is_given(programme, ask):
    AttributeDefinitionFactory(programme=programme, name="size", type="number")
    AttributeDefinitionFactory(programme=programme, name="hobbies", type="list")
    created = ask(
        "put",
        "/us-east-1:192991f1/x",
        {
            "first_name": "Ada",
            "email": " Ada@Example.com",
            "phone": "01 44 55 66 77",
            "birth_date": "1985-12-10",
            "joined_at": "2026-01-31",
            "attributes": {"size": 4.5, "hobbies": ["chess"]},
        },
    )
    assert created.status_code == 201
    member = Member.objects.get()
    assert member.external_id == "us-east-1:192991f1/x"
    # A number without its country's code is read as the programme's zone writes numbers.
    assert (member.email_key, member.phone_key) == ("ada@example.com", "+33144556677")
    assert member.joined_at.isoformat() == "2026-01-30T23:00:00+00:00"

    changed = ask("put", "/us-east-1:192991f1/x", {"city": "Lyon", "email": None, "attributes": {"size": None}})
    assert changed.status_code == 200
    assert changed.json()["first_name"] == "Ada"
    assert changed.json()["city"] == "Lyon"
    assert changed.json()["email"] == ""
    assert changed.json()["attributes"] == {"hobbies": ["chess"]}
    member.refresh_from_db()
    assert member.email_key == ""


def test_every_problem_of_every_member_is_named_and_nothing_is_written(programme, ask):
    AttributeDefinitionFactory(programme=programme, name="size", type="number")
    AttributeDefinitionFactory(programme=programme, name="colour", type="text", choices=["red"])
    AttributeDefinitionFactory(programme=programme, name="born", type="date")
    answer = ask(
        "post",
        body={
            "members": [
                {"external_id": "good"},
                {
                    "external_id": "",
                    "email": "nobody",
                    "phone": "abc",
                    "birth_date": "10.12.1985",
                    "language": "English",
                    "country": "France",
                    "timezone": "Paris",
                    "status": "erased",
                    "joined_at": "yesterday",
                    "first_name": "x" * 101,
                    "last_name": 7,
                    "shoe": 44,
                    "attributes": {"size": "big", "colour": "blue", "born": "2026-02-30", "other": 1},
                },
                {"external_id": "good"},
            ]
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_member")
    assert {(one["field"], one["code"]) for one in answer.json()["problems"]} == {
        ("members[1].external_id", "invalid"),
        ("members[1].email", "invalid"),
        ("members[1].phone", "invalid"),
        ("members[1].birth_date", "not_a_date"),
        ("members[1].language", "too_long"),
        ("members[1].language", "invalid"),
        ("members[1].country", "too_long"),
        ("members[1].country", "invalid"),
        ("members[1].timezone", "unknown_zone"),
        ("members[1].status", "unknown_choice"),
        ("members[1].joined_at", "not_a_moment"),
        ("members[1].first_name", "too_long"),
        ("members[1].last_name", "wrong_type"),
        ("members[1].shoe", "unknown_field"),
        ("members[1].attributes.size", "wrong_type"),
        ("members[1].attributes.colour", "unknown_choice"),
        ("members[1].attributes.born", "wrong_type"),
        ("members[1].attributes.other", "unknown_attribute"),
        ("members[2].external_id", "given_twice"),
    } - {("members[1].language", "too_long")}
    assert not Member.objects.exists()


def test_many_are_written_in_the_same_number_of_queries(programme, ask, django_assert_num_queries):
    """P1."""
    MemberFactory(programme=programme, external_id="m-0", first_name="Old")
    ask("post", body={"members": [{"external_id": "warm"}]})
    for count in (2, 200):
        members = [{"external_id": f"m-{n}", "first_name": f"New {n}"} for n in range(count)]
        # The key; definitions; savepoint and its end; known, new, locked, changed; audit; the clock.
        with django_assert_num_queries(10):
            answer = ask("post", body={"members": members})
        assert answer.status_code == 200
    assert Member.objects.count() == 201
    assert Member.objects.get(external_id="m-0").first_name == "New 0"
    assert [one["is_created"] for one in answer.json()["members"]][:3] == [False, False, True]
    assert AuditEvent.objects.filter(action="members.put").latest("id").data == {"created": 198, "changed": 198}


@pytest.mark.parametrize("body", [[], {}, {"members": {}}, {"members": ["text"]}])
def test_a_misshapen_body_is_a_422(ask, body):
    assert ask("post", body=body).status_code == 422


def test_more_than_a_thousand_are_refused(ask):
    answer = ask("post", body={"members": [{"external_id": str(n)} for n in range(1001)]})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_members")


def test_an_erased_member_stays_erased(programme, ask):
    MemberFactory(programme=programme, external_id="gone", status="erased", first_name="")
    answer = ask("put", "/gone", {"first_name": "Back"})
    assert (answer.status_code, answer.json()["code"]) == (422, "member_erased")
    assert Member.objects.get().first_name == ""


def test_another_programmes_member_is_not_found_and_a_same_id_is_another_member(programme, ask):
    """IDOR pair; D-21."""
    stranger = MemberFactory(external_id="shared", first_name="Hers")
    assert ask("get", "/shared").status_code == 404
    assert ask("put", "/shared", {"first_name": "Mine"}).status_code == 201
    stranger.refresh_from_db()
    assert stranger.first_name == "Hers"
    assert ask("get", "/shared").json()["first_name"] == "Mine"


def test_the_scope_is_needed(programme):
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN])
    headers = {"Authorization": f"Api-Key {key}"}
    assert Client().get("/api/v1/members/x", headers=headers).status_code == 403


@pytest.mark.parametrize("joined_at", ["9999-12-31T23:59:59-14:00", "0001-01-01", "3000-01-01"])
def test_d_09_a_moment_beyond_the_kept_years_is_refused(ask, joined_at):
    """D-09: a member who joined in the year 10000 could not be read any more."""
    answer = ask("put", "/ada", {"joined_at": joined_at})
    assert answer.status_code == 422
    assert [(one["field"], one["code"]) for one in answer.json()["problems"]] == [("joined_at", "year_out_of_range")]
    assert not Member.objects.exists()


def test_b_02_attributes_that_nothing_can_keep_are_refused(programme, ask):
    """B-02: numbers beyond 64 bit, half of a surrogate pair."""
    AttributeDefinitionFactory(programme=programme, name="size", type="number")
    AttributeDefinitionFactory(programme=programme, name="hobbies", type="list")
    answer = ask("put", "/ada", '{"attributes": {"size": 1' + "0" * 400 + ', "hobbies": ["\\ud800"]}}')
    assert answer.status_code == 422, answer.content
    assert {(one["field"], one["code"]) for one in answer.json()["problems"]} == {
        ("attributes.size", "wrong_type"),
        ("attributes.hobbies", "wrong_type"),
    }


def test_s2_01_a_member_is_a_consumer_unless_she_is_said_to_be_an_employee(ask):
    assert ask("put", "/m1", {"first_name": "Ada"}).json()["kind"] == "consumer"
    assert ask("put", "/m1", {"kind": "employee"}).json()["kind"] == "employee"
    assert ask("put", "/m1", {"city": "Lyon"}).json()["kind"] == "employee"
    answer = ask("put", "/m1", {"kind": "robot"})
    assert (answer.status_code, [one["field"] for one in answer.json()["problems"]]) == (422, ["kind"])
    assert Member.objects.get().kind == "employee"
