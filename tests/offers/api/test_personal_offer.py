"""Personal offers over the API: a thousand at once, or a file; and what her app is told (S1-03, S1-16..19, D-14)."""

import pytest
from django.test import Client

from loyalty import clock
from loyalty.models import Scope
from loyalty.services import member_token
from offers.models import Assignment, PersonalOfferImport
from offers.services import personal_offer_work
from offers.tasks import personal_offer as tasks
from tests.factories import ApiClientFactory, ConfigOfferFactory
from tests.offers.personal_offers import imported, item, jsonl, members_of, offer_of, packed, table

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/personal-offers"


@pytest.fixture
def rung(monkeypatch, django_capture_on_commit_callbacks):
    """Note which imports the workers are rung for."""
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", told.append)
    return told


@pytest.fixture
def offer():
    return offer_of(offer_reference="mine")


@pytest.fixture
def machine(offer):
    _, key = ApiClientFactory(programme=offer.programme, scopes=[Scope.ASSIGN_IN_BULK])
    return Client(headers={"Authorization": f"Api-Key {key}"})


def put(machine, members, **headers):
    body = {"offer_reference": "mine", "members": members}
    return machine.post(ADDRESS, body, content_type="application/json", headers=headers)


def upload(machine, content, kind="application/x-ndjson", *, query="", **headers):
    return machine.post(f"{ADDRESS}/imports?offer_reference=mine{query}", content, content_type=kind, headers=headers)


def test_each_member_of_a_call_is_answered_for_itself_in_order_s1_03_s1_06(offer, machine):
    one, _other = members_of(offer, "M-1", "M-2")
    answer = put(machine, [{"member": "M-1", "items": [item()]}, {"member": "M-2", "items": []}, {"member": "M-9"}])
    assert answer.status_code == 200
    said = answer.json()
    assert said["counts"] == {"new": 1, "faulty": 2}
    held = Assignment.objects.get(member=one)
    assert said["results"][0] == {"member": "M-1", "outcome": "new", "assignment": str(held.pk)}
    assert said["results"][1]["problems"] == [
        {
            "line": 2,
            "field": "items",
            "code": "empty_list",
            "value": "[]",
            "message": "the list is empty. Name at least one.",
            "member": "M-2",
        }
    ]
    assert [found["code"] for found in said["results"][2]["problems"]] == ["empty_list", "unknown_member"]
    again = put(machine, [{"member": "M-1", "items": [item(size=5)]}]).json()["results"][0]
    assert (again["outcome"], again["in_place_of"]) == ("changed", str(held.pk))


def test_a_refused_member_is_told_why(offer, machine):
    [one] = members_of(offer, "M-1")
    type(one).objects.filter(pk=one.pk).update(status="inactive")
    [said] = put(machine, [{"member": "M-1", "items": [item()]}]).json()["results"]
    assert said == {"member": "M-1", "outcome": "refused", "refusal": "member_inactive", "reasons": []}


def test_the_same_call_under_one_key_is_done_once_r3(offer, machine):
    members_of(offer, "M-1")
    values = [{"member": "M-1", "items": [item()]}]
    first = put(machine, values, **{"Idempotency-Key": "k-1"})
    again = put(machine, values, **{"Idempotency-Key": "k-1"})
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert PersonalOfferImport.objects.count() == 1


@pytest.mark.parametrize("given", [[], [{}] * 1001, "all", None])
def test_a_call_names_one_to_a_thousand_members(machine, given):
    answer = put(machine, given)
    assert answer.status_code == 422
    assert [found["field"] for found in answer.json()["problems"]] == ["members"]


def test_a_file_is_checked_committed_and_reported_b_02_d_14(offer, machine, rung, django_capture_on_commit_callbacks):
    members_of(offer, "M-1", "M-2")
    with django_capture_on_commit_callbacks(execute=True):
        answer = upload(machine, jsonl({"member": "M-1", "items": [item()]}, {"member": "M-9", "items": [item()]}))
    assert (answer.status_code, answer.json()["state"]) == (202, "received")
    number = answer.json()["id"]
    assert rung == [number]
    tasks.work(number)
    checked = machine.get(f"{ADDRESS}/imports/{number}").json()
    assert (checked["state"], checked["preview"]) == ("faulty", {"new": 1, "faulty": 1})
    assert [(one["line"], one["field"], one["value"]) for one in checked["problems"]] == [(2, "member", "M-9")]
    commit = f"{ADDRESS}/imports/{number}/commit"
    refused = machine.post(commit, {}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (422, "personal_import_has_problems")
    with django_capture_on_commit_callbacks(execute=True):
        done = machine.post(commit, {"leave_out_faulty": True}, content_type="application/json")
    assert (done.status_code, rung) == (202, [number, number])
    tasks.work(number)
    assert machine.get(f"{ADDRESS}/imports/{number}").json()["counts"] == {"new": 1, "faulty": 1}
    report = b"".join(machine.get(f"{ADDRESS}/imports/{number}/report").streaming_content).decode()
    held = Assignment.objects.get()
    assert report.splitlines()[1:] == [
        f"1,M-1,new,,,{held.pk},,",
        '2,M-9,left out,,,,,"Line 2, member: there is no member “M-9”."',
    ]
    assert machine.post(commit, {}, content_type="application/json").status_code == 409
    assert [one["id"] for one in machine.get(f"{ADDRESS}/imports?offer_reference=mine").json()] == [number]


def test_every_format_comes_as_a_body(offer, machine, rung):
    members_of(offer, "M-1")
    line = {"member": "M-1", "external_id": "COFFEE", "benefit_type": "percent", "size": 20}
    for kind, content in (
        ("text/csv", table(line)),
        ("application/x-ndjson", jsonl(line)),
        ("application/vnd.apache.parquet", packed(line)),
    ):
        number = upload(machine, content, kind).json()["id"]
        personal_offer_work.check(upload_id=number, now=clock.now())
        assert PersonalOfferImport.objects.get(pk=number).state == "checked"


def test_a_file_sent_twice_under_one_key_is_received_once_r3(offer, machine, rung):
    content = jsonl({"member": "M-1", "items": [item()]})
    key = {"Idempotency-Key": "k-1"}
    first = upload(machine, content, **key).json()["id"]
    assert upload(machine, content, **key).json()["id"] == first
    other = upload(machine, content, query="&is_full=true", **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert PersonalOfferImport.objects.count() == 1


def test_a_discarded_import_gives_nothing(offer, machine, rung):
    members_of(offer, "M-1")
    number = upload(machine, jsonl({"member": "M-1", "items": [item()]})).json()["id"]
    tasks.work(number)
    assert machine.post(f"{ADDRESS}/imports/{number}/discard").json()["state"] == "discarded"
    assert machine.post(f"{ADDRESS}/imports/{number}/discard").status_code == 200
    commit = machine.post(f"{ADDRESS}/imports/{number}/commit", {}, content_type="application/json")
    assert commit.status_code == 409
    assert Assignment.objects.count() == 0


def test_only_an_offer_of_personal_terms_takes_them_and_only_with_the_scope(offer, machine):
    ConfigOfferFactory(programme=offer.programme, offer_reference="plain")
    body = {"offer_reference": "plain", "members": [{"member": "M-1"}]}
    answer = machine.post(ADDRESS, body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_a_personal_offer")
    _, key = ApiClientFactory(programme=offer.programme, scopes=[Scope.ASSIGN])
    weak = Client(headers={"Authorization": f"Api-Key {key}"})
    assert put(weak, [{"member": "M-1"}]).status_code == 403


def test_the_schema_of_the_attribute_is_told(machine):
    schema = machine.get(f"{ADDRESS}/schema").json()
    assert "external_id" in schema["$defs"]["GivenItem"]["properties"]


def test_her_app_lists_her_terms_says_that_she_has_to_accept_and_confirms_s1_16_s1_18_s1_19(offer):
    [member] = members_of(offer, "M-1")
    imported(offer, {"member": "M-1", "items": [item(), item("TEA", 100, "bonus_points")], "acceptance_required": True})
    token = member_token.mint(member=member, now=clock.now())
    her = Client(headers={"Authorization": f"Bearer {token}"})
    [listed] = her.get("/api/v1/me/offers").json()["offers"]
    assert listed["status"] == "waiting_for_acceptance"
    assert listed["acceptance_required"] is True
    assert [(one["name"], one["benefit"]) for one in listed["personal"]["items"]] == [
        ("Coffee", {"type": "percent", "size": 20}),
        ("Tea", {"type": "bonus_points", "size": 100}),
    ]
    detail = her.get(f"/api/v1/me/offers/{listed['id']}").json()
    assert [one["text"] for one in detail["explanation"]][:2] == ["20 % off Coffee", "100 bonus points for Tea"]
    products = her.get(f"/api/v1/me/offers/{listed['id']}/products").json()
    assert [one["external_id"] for one in products["products"]] == ["COFFEE", "TEA"]
    accepted = her.post(f"/api/v1/me/offers/{listed['id']}/accept")
    assert accepted.json()["code"] == "accepted"
    assert her.get("/api/v1/me/offers").json()["offers"][0]["status"] == "usable"


def test_without_the_flag_it_counts_at_once_s1_16(offer):
    [member] = members_of(offer, "M-1")
    imported(offer, {"member": "M-1", "items": [item()]})
    token = member_token.mint(member=member, now=clock.now())
    her = Client(headers={"Authorization": f"Bearer {token}"})
    [listed] = her.get("/api/v1/me/offers").json()["offers"]
    assert (listed["status"], listed["acceptance_required"]) == ("usable", False)
