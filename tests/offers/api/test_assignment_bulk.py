"""The door of outside bulk producers: sets of grants, told apart from plain API grants and from runs (S0-36)."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty import clock
from loyalty.models import OutboxEvent, Scope
from offers.models import Assignment, DoorEntry, FieldDefinition, Source
from offers.selectors import timeline
from offers.services import execution, mass_assignment
from tests.factories import (
    ApiClientFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    TargetingFactory,
    import_codes,
    limit_of,
)
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db
BULK = "/api/v1/assignments/bulk"


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, offer_reference="coffee", external_id="cms-coffee")


@pytest.fixture
def api(programme, client):
    """Call the API with the producer's key, which does nothing else."""
    own, key = ApiClientFactory(programme=programme, name="Deepflame", scopes=[Scope.ASSIGN_IN_BULK])

    def call(method, path, data=None, *, key=key, **headers):
        return client.generic(
            method, path, data=b"" if data is None else json.dumps(data), content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"} | headers,
        )  # fmt: skip

    call.client = own
    return call


def grants_of(members, offer="coffee", **values):
    return [
        {"member": member.external_id, "offer": offer, "reference": f"r-{n}", **values}
        for n, member in enumerate(members)
    ]


def results_of(answer):
    assert answer.status_code == 200, answer.content
    return [(one["outcome"], one["is_replayed"]) for one in answer.json()["results"]]


def test_s0_36_a_set_of_an_outside_producer_is_told_apart_from_the_api_and_from_runs(api, programme, coffee):
    """S0-36, S0-11: in the API's list and its filter, in the timeline, on the desk's pages and in the outbox."""
    ann, ben, cid, dan = MemberFactory.create_batch(4, programme=programme)
    assert results_of(api("POST", BULK, {"grants": grants_of([ann, ben])})) == [("assigned", False)] * 2
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN, Scope.ASSIGNMENTS_READ])
    alone = {"member": cid.external_id, "offer": "coffee"}
    assert api("POST", "/api/v1/assignments", alone, key=key).status_code == 201
    run = mass_assignment.create(
        programme=programme, template=coffee.templates.get(), name="", campaign=None, terms={}, rank=None, actor=None,
        targeting_version=TargetingFactory(programme=programme).current_version, now=clock.now(),
    )  # fmt: skip
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    listed = {
        source: {one["member"] for one in api("GET", f"/api/v1/assignments?source={source}", key=key).json()["results"]}
        for source in ("bulk_producer", "api", "mass_assignment")
    }
    assert listed["bulk_producer"] == {ann.external_id, ben.external_id}
    assert listed["api"] == {cid.external_id}
    assert dan.external_id in listed["mass_assignment"]
    held = Assignment.objects.get(source=Source.BULK_PRODUCER, member=ann)
    found = Assignment.objects.select_related("revision", "template", "run", "campaign", "actor").get(pk=held.pk)
    assert timeline.timeline(assignment=found)[0].source == Source.BULK_PRODUCER
    desk = sign_in(programme, "support agent")
    page = words(desk.get(reverse("support:assignment", args=[held.pk])))
    assert "by outside bulk producer" in page
    assert "outside bulk producer · Deepflame" in page
    assert "given by outside bulk producer" in words(desk.get(reverse("support:member", args=[ann.pk])))
    told = OutboxEvent.objects.get(assignment_ids__contains=[held.pk])
    assert (told.data, told.size) == ({"source": Source.BULK_PRODUCER}, 2)


def test_s0_36_each_grant_is_answered_for_itself_and_a_refused_one_fails_no_other(api, programme, coffee):
    """S0-36, S0-02, S4-09: in the order of the request, with reasons; codes for those who are assigned alone."""
    club = ConfigOfferFactory(programme=programme, offer_reference="club", require_vouchers=True)
    import_codes(club, 1)
    strict = OfferTemplateFactory(config_offer=coffee, external_id="strict", required_rules=["benefit"])
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    ian = MemberFactory(programme=programme, status="inactive")
    limit_of(coffee, cap=1)
    grants = [
        {"member": ann.external_id, "offer": "cms-coffee", "reference": "a"},
        {"member": ben.external_id, "offer": "coffee", "reference": "b"},
        {"member": ian.external_id, "offer": "coffee", "reference": "c"},
        {"member": "nobody", "offer": "coffee", "reference": "d"},
        {"member": ann.external_id, "template": strict.external_id, "reference": "e"},
        {"member": ann.external_id, "offer": "club", "reference": "f"},
        {"member": ben.external_id, "offer": "club", "reference": "g"},
    ]
    answer = api("POST", BULK, {"grants": grants}).json()
    assert [one["outcome"] for one in answer["results"]] == [
        "assigned", "cap_reached", "member_inactive", "unknown_member", "missing_rule", "assigned", "out_of_codes",
    ]  # fmt: skip
    assert answer["counts"]["assigned"] == 2
    assert [one["reference"] for one in answer["results"]] == list("abcdefg")
    assert answer["results"][1]["reasons"][0]["code"] == "offer_cap"
    assert {one.get("assignment") for one in answer["results"]} - {None} == {
        str(pk) for pk in Assignment.objects.values_list("pk", flat=True)
    }


def test_s0_36_a_reference_is_answered_once_refusals_included(api, programme, coffee):
    """S0-36, S0-11: sent again, whole or in part, everything is answered as before and nothing is given twice."""
    ann, ben, cid = MemberFactory.create_batch(3, programme=programme)
    limit = limit_of(coffee, cap=1)
    first = api("POST", BULK, {"grants": grants_of([ann, ben])})
    assert results_of(first) == [("assigned", False), ("cap_reached", False)]
    limit_of(coffee, cap=5)
    again = api("POST", BULK, {"grants": grants_of([ann, ben, cid])[::-1]})
    assert results_of(again) == [("assigned", False), ("cap_reached", True), ("assigned", True)]
    assert again.json()["results"][2]["assignment"] == first.json()["results"][0]["assignment"]
    other = api("POST", BULK, {"grants": grants_of([ann, ben], rank=5)})
    assert results_of(other) == [("reference_reused", False)] * 2
    limit.refresh_from_db()
    assert limit.assigned == Assignment.objects.count() == 2
    entry = DoorEntry.objects.get(reference="r-0")
    assert (entry.door, entry.instance) == (Source.BULK_PRODUCER, api.client.prefix)
    # Another producer's references are another door's, and so are the same key's plain grants.
    _, stranger = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN_IN_BULK])
    assert results_of(api("POST", BULK, {"grants": grants_of([cid])}, key=stranger)) == [("assigned", False)]


def test_s0_36_every_problem_of_a_set_is_named_and_nothing_is_done(api, programme, coffee):
    """S0-36: the shape first, then what is named; each with its place in the set."""
    member = MemberFactory(programme=programme).external_id
    FieldDefinition.objects.create(programme=programme, table="assignments", name="shelf", type="number", label="Shelf")
    shapeless = [{"offer": "coffee", "reference": "a"}, {"member": member, "offer": "x", "template": "y"}]
    answer = api("POST", BULK, {"grants": shapeless})
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    fields = {one["field"] for one in answer.json()["problems"]}
    assert any("0" in field and field.endswith("member") for field in fields), fields
    assert any("1" in field and field.endswith("reference") for field in fields), fields
    grants = [
        {"member": member, "offer": "tea", "reference": "a"},
        {"member": member, "template": "none", "reference": "b", "campaign": "winter"},
        {"member": member, "offer": "coffee", "reference": "a", "fields": {"shelf": "high", "pace": 1}},
    ]
    found = api("POST", BULK, {"grants": grants}).json()["problems"]
    assert {one["field"]: one["code"] for one in found} == {
        "grants[0].offer": "unknown_offer",
        "grants[1].template": "unknown_template",
        "grants[1].campaign": "unknown_campaign",
        "grants[2].reference": "named_twice",
        "grants[2].fields.shelf": "wrong_type",
        "grants[2].fields.pace": "unknown_field",
    }
    for wrong in ({"grants": []}, {}, {"grants": grants_of([MemberFactory()] * 1_001)}):
        assert api("POST", BULK, wrong).status_code == 422
    assert not DoorEntry.objects.exists()
    assert not Assignment.objects.exists()


def test_s0_36_producing_in_bulk_is_a_scope_of_its_own(api, programme, coffee):
    """S0-36, A2: whoever may assign one by one may not pass for a producer, and a producer does nothing else."""
    others = [scope for scope in Scope.values if scope != Scope.ASSIGN_IN_BULK]
    _, weak = ApiClientFactory(programme=programme, scopes=others)
    member = MemberFactory(programme=programme)
    assert api("POST", BULK, {"grants": grants_of([member])}, key=weak).status_code == 403
    assert api("POST", "/api/v1/assignments", grants_of([member])[0]).status_code == 403
    assert api("GET", "/api/v1/assignments").status_code == 403
    _, foreign = ApiClientFactory(scopes=[Scope.ASSIGN_IN_BULK])
    answer = api("POST", BULK, {"grants": grants_of([member])}, key=foreign)
    assert [one["code"] for one in answer.json()["problems"]] == ["unknown_offer"]
    assert not Assignment.objects.exists()


def test_s0_36_a_set_costs_the_same_statements_whatever_its_size(api, programme, coffee):
    """S0-36, DESIGN 4: names, references, assigning and answers are each looked at as a set."""
    autumn = CampaignFactory(programme=programme, external_id="autumn")
    FieldDefinition.objects.create(programme=programme, table="assignments", name="shelf", type="number", label="Shelf")
    members = MemberFactory.create_batch(44, programme=programme)

    def statements(some, mark):
        grants = [
            one | {"reference": f"{mark}-{one['reference']}", "campaign": autumn.external_id, "fields": {"shelf": 1}}
            for one in grants_of(some)
        ]
        with CaptureQueriesContext(connection) as seen:
            assert results_of(api("POST", BULK, {"grants": grants})) == [("assigned", False)] * len(some)
        return len(seen)

    statements(members[:2], "warm")
    assert statements(members[2:4], "few") == statements(members[4:], "many")


def test_s0_36_the_same_key_answers_the_same_bytes_and_a_producer_undoes_its_own(api, programme, coffee):
    """S0-36, B-05, R3: idempotent as every write; what it gave a moment ago is its own to take back."""
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN_IN_BULK, Scope.ASSIGN])
    body = {"grants": grants_of([MemberFactory(programme=programme)])}
    first = api("POST", BULK, body, key=key, **{"Idempotency-Key": "one"})
    again = api("POST", BULK, body, key=key, **{"Idempotency-Key": "one"})
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    held = Assignment.objects.get()
    assert api("POST", f"/api/v1/assignments/{held.pk}/undo", {}, key=key).status_code == 200
    held.refresh_from_db()
    assert held.revoked_at is not None


@pytest.mark.parametrize(
    ("values", "place", "code"),
    [
        ({"terms": {"benefit": {"type": "amount", "size": 10**30}}}, "terms.benefit.size", "number_too_large"),
        ({"terms": {"x\u0000": 1}}, "terms.x\ufffd", "unstorable_name"),
        ({"terms": {"channels": {"only": ["ab\u0000"]}}}, "terms.channels.only[0]", "unstorable_character"),
        ({"terms": {"x": "\ud800"}}, "terms.x", "unstorable_character"),
        ({"terms": {"x": json.loads("[" * 300 + "]" * 300)}}, "terms.x" + "[0]" * 19, "too_deep"),
        ({"fields": {"till": "ab\u0000"}}, "fields.till", "unstorable_character"),
        ({"fields": {"weight": 10**30}}, "fields.weight", "number_too_large"),
    ],
)
def test_s0_36_a_value_that_nothing_can_keep_is_named_with_its_grant(api, programme, coffee, values, place, code):
    """S0-36, S0-11: 422 with the grant's place, nothing done and nothing remembered, so that the mended set works."""
    for name, kind in (("till", "text"), ("weight", "number")):
        FieldDefinition.objects.create(programme=programme, table="assignments", name=name, type=kind, label=name)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    grants = grants_of([ann, ben])
    answer = api("POST", BULK, {"grants": [grants[0], grants[1] | values]})
    assert answer.status_code == 422, answer.content
    assert [(one["field"], one["code"]) for one in answer.json()["problems"]] == [(f"grants.1.{place}", code)]
    assert not Assignment.objects.exists()
    assert not DoorEntry.objects.exists()
    assert results_of(api("POST", BULK, {"grants": grants})) == [("assigned", False)] * 2
