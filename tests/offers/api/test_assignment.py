"""`/api/v1/assignments`: the door for machines."""

import uuid

import pytest
from django.test import Client

from loyalty.models import Scope
from offers.models import Assignment, AssignmentEvent, DoorEntry, Source
from tests.factories import (
    ApiClientFactory,
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    give,
    import_codes,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ask(programme):
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN, Scope.ASSIGNMENTS_READ, Scope.CODES_READ])

    def go(path: str = "", body=None, **headers):
        headers = {"Authorization": f"Api-Key {key}"} | headers
        address = f"/api/v1/assignments{path}"
        if body is None:
            return Client().get(address, headers=headers)
        return Client().post(address, body, content_type="application/json", headers=headers)

    return go


def test_a_machine_assigns_an_offer_and_reads_the_record(programme, ask):
    """S0-03, S0-08, S0-10, S0-11: by its id, with both source ids, the door, and the overriding value."""
    member = MemberFactory(programme=programme, external_id="us-east-1:192991f1")
    offer = ConfigOfferFactory(
        programme=programme, offer_reference="coffee", external_id="cms-1", terms={"redemption_limit": {"limit": 1}}
    )
    CampaignFactory(programme=programme, external_id="autumn")

    answer = ask(
        body={
            "member": member.external_id,
            "offer": "coffee",
            "campaign": "autumn",
            "terms": {"redemption_limit": {"limit": 3}},
            "reference": "r-1",
            "rank": 5,
        }
    )

    assert answer.status_code == 201
    assert answer.json()["outcome"] == "assigned"
    record = ask(f"/{answer.json()['assignment']}").json()
    expected = {
        "member": "us-east-1:192991f1",
        "offer": "coffee",
        "offer_external_id": "cms-1",
        "template": offer.templates.get().pk,
        "campaign": "autumn",
        "source": "api",
        "reference": "r-1",
        "status": "usable",
        "rank": 5,
        "terms": {"redemption_limit": {"limit": 3}},
    }
    assert {name: record[name] for name in expected} == expected


def test_the_same_reference_is_answered_as_before_and_assigns_once(programme, ask):
    """B-06, DESIGN 4: refusals are repeated too."""
    member = MemberFactory(programme=programme)
    ConfigOfferFactory(programme=programme, offer_reference="coffee", repeat_policy="unlimited")
    body = {"member": member.external_id, "offer": "coffee", "reference": "r-1"}
    first, again = ask(body=body), ask(body=body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert (first["Laurel-Replayed"], again["Laurel-Replayed"]) == ("false", "true")
    assert Assignment.objects.count() == 1

    ConfigOfferFactory(programme=programme, offer_reference="tea")
    other = ask(body=body | {"offer": "tea"})
    assert (other.status_code, other.json()["code"]) == (409, "reference_reused")

    refused = {"member": "nobody", "offer": "coffee", "reference": "r-2"}
    first, again = ask(body=refused), ask(body=refused)
    assert (first.status_code, first.json()["code"]) == (409, "unknown_member")
    assert first.content == again.content
    assert again["Laurel-Replayed"] == "true"


def test_a_missing_rule_is_refused_and_named(programme, ask):
    """S0-07."""
    template = OfferTemplateFactory(
        config_offer=ConfigOfferFactory(programme=programme), external_id="t-1", required_rules=["benefit", "validity"]
    )
    member = MemberFactory(programme=programme)
    answer = ask(body={"member": member.external_id, "template": "t-1", "terms": {"validity": {"days": 3}}})
    assert (answer.status_code, answer.json()["code"]) == (409, "missing_rule")
    assert [reason["rule"] for reason in answer.json()["problems"]] == ["benefit"]
    assert answer["Content-Type"] == "application/problem+json"
    assert not Assignment.objects.filter(template=template).exists()


def test_every_other_refusal_is_a_409_with_its_code(programme, ask):
    member = MemberFactory(programme=programme)
    once = ConfigOfferFactory(programme=programme, offer_reference="once", repeat_policy="once_ever")
    ConfigOfferFactory(programme=programme, offer_reference="no-codes", require_vouchers=True)
    give(member, once)
    sleeping = MemberFactory(programme=programme, status="inactive")
    for member_id, offer, code in (
        (member.external_id, "once", "already_held"),
        (member.external_id, "no-codes", "out_of_codes"),
        (sleeping.external_id, "once", "member_inactive"),
    ):
        answer = ask(body={"member": member_id, "offer": offer})
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert Assignment.objects.count() == 1


def test_what_is_not_acceptable_is_named_all_at_once_and_nothing_is_written(programme, ask):
    answer = ask(body={"member": "m", "offer": "nothing", "campaign": "none", "fields": {"colour": "red"}})
    assert answer.status_code == 422
    assert {(problem["field"], problem["code"]) for problem in answer.json()["problems"]} == {
        ("offer", "unknown_offer"),
        ("campaign", "unknown_campaign"),
        ("fields.colour", "unknown_field"),
    }
    assert not DoorEntry.objects.exists()


@pytest.mark.parametrize(
    "body",
    [{}, [], '"text"', {"member": "m"}, {"member": "m", "offer": "a", "template": "b"}, {"member": 7, "offer": {}}],
)
def test_a_misshapen_body_is_a_422(ask, body):
    answer = ask(body=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["problems"]


def test_the_list_is_filtered_paged_and_never_carries_codes(programme, ask):
    """D-10."""
    offer = ConfigOfferFactory(programme=programme, offer_reference="coded", require_vouchers=True)
    import_codes(offer, ["SECRET-1"])
    member = MemberFactory(programme=programme)
    coded = give(member, offer, source=Source.SUPPORT)
    other = give(MemberFactory(programme=programme), ConfigOfferFactory(programme=programme, offer_reference="other"))

    whole = ask()
    assert [row["id"] for row in whole.json()["results"]] == [str(other.pk), str(coded.pk)]
    assert b"SECRET-1" not in whole.content
    for query, expected in (
        (f"?member={member.external_id}", [coded]),
        ("?offer=other", [other]),
        ("?source=support", [other, coded]),
        ("?source=api", []),
        ("?issued_from=2999-01-01T00:00:00Z", []),
    ):
        assert [row["id"] for row in ask(query).json()["results"]] == [str(one.pk) for one in expected], query
    first = ask("?limit=1").json()
    assert [row["id"] for row in first["results"]] == [str(other.pk)]
    assert [row["id"] for row in ask(first["next"].partition("assignments")[2]).json()["results"]] == [str(coded.pk)]
    assert ask("?source=nonsense").status_code == 422


def test_the_list_takes_the_same_queries_at_any_length(programme, ask, django_assert_num_queries):
    """P1: the key, its last use, the page, the clock."""
    ask()
    for count in (1, 10):
        for _ in range(count):
            give(MemberFactory(programme=programme), ConfigOfferFactory(programme=programme))
        with django_assert_num_queries(3):
            ask()


def test_a_code_is_told_only_when_asked_for_and_counts_as_exposed(programme, ask):
    """D-10."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["SECRET-1"])
    assignment = give(MemberFactory(programme=programme), offer)
    assert "voucher_code" not in ask(f"/{assignment.pk}").json()
    shown = ask(f"/{assignment.pk}?include=voucher_code").json()
    assert shown["voucher_code"] == "SECRET-1"
    assert shown["exposed_at"] is not None
    [event] = AssignmentEvent.objects.all()
    assert (event.verb, event.source) == ("exposed", Source.API)
    assert event.api_client_id is not None


def test_a_code_needs_its_own_scope_and_without_it_stays_unseen(programme):
    """D-10: who may read assignments may not spend them."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["SECRET-1"])
    assignment = give(MemberFactory(programme=programme), offer)
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGNMENTS_READ])
    address, headers = f"/api/v1/assignments/{assignment.pk}", {"Authorization": f"Api-Key {key}"}
    refused = Client().get(address, {"include": "voucher_code"}, headers=headers)
    assert (refused.status_code, refused.json()["code"], refused.json()["scope"]) == (
        403,
        "missing_scope",
        "codes:read",
    )
    assert "codes:read" in refused.json()["detail"]
    assert "SECRET-1" not in refused.text
    assert not AssignmentEvent.objects.exists()
    assert Client().get(address, headers=headers).status_code == 200


def test_another_programmes_assignment_offer_and_member_do_not_exist(programme, ask):
    """IDOR pair; D-21."""
    other = ProgrammeFactory()
    stranger = MemberFactory(programme=other, external_id="foreign")
    theirs = ConfigOfferFactory(programme=other, offer_reference="theirs")
    foreign = give(stranger, theirs)
    mine = ConfigOfferFactory(programme=programme, offer_reference="mine")

    assert ask(f"/{foreign.pk}").json() == ask(f"/{uuid.uuid4()}").json()
    assert ask(f"/{foreign.pk}").status_code == 404
    assert ask().json()["results"] == []
    unknown = ask(body={"member": "foreign", "offer": "theirs"})
    assert unknown.status_code == 422
    refused = ask(body={"member": "foreign", "offer": mine.offer_reference})
    assert (refused.status_code, refused.json()["code"]) == (409, "unknown_member")
    assert Assignment.objects.count() == 1


def test_scopes_are_needed(programme):
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGNMENTS_READ])
    headers = {"Authorization": f"Api-Key {key}"}
    assert Client().get("/api/v1/assignments", headers=headers).status_code == 200
    assert Client().post("/api/v1/assignments", {}, headers=headers).status_code == 403
    assert Client().get("/api/v1/assignments").status_code == 401


def test_where_the_offers_module_is_off_nothing_is_assigned(programme, ask):
    """S4-41."""
    programme.offers_enabled = False
    programme.save()
    answer = ask(body={"member": "m", "offer": "o"})
    assert (answer.status_code, answer.json()["code"]) == (409, "offers_module_off")


@pytest.mark.parametrize(
    ("values", "place", "code"),
    [
        (
            '"terms": {"benefit": {"type": "amount", "size": 1' + "0" * 30 + "}}",
            "terms.benefit.size",
            "number_too_large",
        ),
        ('"terms": {"benefit": {"type": "amount", "size": 1e999}}', "terms.benefit.size", "not_finite"),
        ('"terms": {"x\\u0000": 1}', "terms.x\ufffd", "unstorable_name"),
        ('"terms": {"x": "\\ud800"}', "terms.x", "unstorable_character"),
        ('"terms": {"x": ' + "[" * 300 + "]" * 300 + "}", "terms.x" + "[0]" * 19, "too_deep"),
        ('"fields": {"till": "ab\\u0000"}', "fields.till", "unstorable_character"),
    ],
)
def test_s0_11_a_value_that_nothing_can_keep_is_named_and_not_remembered(programme, ask, values, place, code):
    """S0-11, B-02: 422 with its place; the mended grant goes through under the same reference."""
    member = MemberFactory(programme=programme)
    ConfigOfferFactory(programme=programme, offer_reference="coffee")
    good = f'"member": "{member.external_id}", "offer": "coffee", "reference": "r"'

    refused = ask(body="{" + good + ", " + values + "}")

    assert refused.status_code == 422, refused.content
    assert [(one["field"], one["code"]) for one in refused.json()["problems"]] == [(place, code)]
    assert not DoorEntry.objects.exists()
    assert ask(body="{" + good + "}").status_code == 201
