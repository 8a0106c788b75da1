"""Saved targetings through the API (S4-24, S4-26)."""

from typing import Any

import pytest

from loyalty import clock
from loyalty.models import ApiClient, AuditEvent, Scope
from offers.models import MemberList, MemberListEntry, Targeting, TargetingVersion
from offers.services import mass_assignment
from offers.services import targeting as service
from tests.factories import ConfigOfferFactory, MemberFactory, OfferTemplateFactory, ProgrammeFactory, TargetingFactory
from tests.offers.views.marketer import a_run

pytestmark = pytest.mark.django_db
LONDON = {"field": "member.city", "is": "equals", "value": "London"}
PARIS = {"field": "member.city", "is": "equals", "value": "Paris"}
ANN = {"field": "member.external_id", "is": "equals", "value": "ann"}


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def call(client, programme):
    """Call `call("patch", "7", {…})`, with the scope `targetings` alone unless others are named."""

    def ask(method: str, address: str = "", body: Any = None, *, scopes: tuple[str, ...] = (Scope.TARGETINGS,)):
        _, key = ApiClient.objects.create_key(name="analytics", programme=programme, scopes=list(scopes))
        given = {} if method == "get" else {"data": body, "content_type": "application/json"}
        return getattr(client, method)(
            f"/api/v1/targetings{address}", headers={"Authorization": f"Api-Key {key}"}, **given
        )

    return ask


def codes(answer) -> list[tuple[str, str]]:
    return [(one.get("path", one.get("field")), one["code"]) for one in answer.json()["problems"]]


def test_s4_26_a_machine_saves_changes_reads_and_archives_a_targeting(programme, call):
    """S4-26: versions in words with who saved each, and the runs that used it."""
    made = call("post", "", {"name": "Locals", "description": "Near the shop", "criteria": LONDON})
    assert made.status_code == 201
    pk = made.json()["id"]
    saved = Targeting.objects.get()
    run = a_run(OfferTemplateFactory(config_offer=ConfigOfferFactory(programme=programme)), saved)
    changed = call("patch", f"/{pk}", {"criteria": PARIS, "if_version": 1}).json()
    assert (changed["version"], changed["criteria"], changed["sentence"]) == (2, PARIS, "City is Paris")
    found = call("get", f"/{pk}").json()
    assert found == changed
    assert (found["name"], found["description"], found["owner"]) == ("Locals", "Near the shop", None)
    assert [(one["number"], one["sentence"], one["saved_by"], one["runs"]) for one in found["versions"]] == [
        (2, "City is Paris", "analytics", []),
        (1, "City is London", "analytics", [run.pk]),
    ]
    assert AuditEvent.objects.filter(api_client__name="analytics", action__startswith="targeting.").count() == 2

    refused = call("post", f"/{pk}/archive")
    assert (refused.status_code, refused.json()["code"]) == (409, "targeting_in_use")
    mass_assignment.cancel(run=run, actor=None, now=clock.now())
    assert call("post", f"/{pk}/archive").json()["archived_at"]
    assert call("post", f"/{pk}/archive").status_code == 200
    assert call("get").json()["results"] == []
    assert [one["id"] for one in call("get", "?archived=true").json()["results"]] == [pk]
    refused = call("patch", f"/{pk}", {"name": "Other"})
    assert (refused.status_code, refused.json()["code"]) == (409, "targeting_archived")
    assert call("post", f"/{pk}/unarchive").json()["archived_at"] is None
    assert call("post", f"/{pk}/unarchive").status_code == 200
    assert AuditEvent.objects.filter(action="targeting.unarchived").count() == 1


def test_s4_26_what_is_not_acceptable_is_named_and_nothing_is_saved(programme, call):
    """S4-26: each problem with its path or field."""
    broken = {"op": "and", "items": [LONDON, {"op": "or", "items": [LONDON | {"value": ""}, {"field": "member.shoe"}]}]}
    answer = call("post", "", {"name": "Locals", "criteria": broken})
    assert (answer.status_code, codes(answer)) == (
        422,
        [("items[1].items[0].value", "empty_text"), ("items[1].items[1].field", "unknown_field")],
    )
    assert codes(call("post", "", {"shoe": 1})) == [("shoe", "unknown_field")]
    assert codes(call("post", "", {})) == [("name", "required"), ("criteria", "required")]
    assert codes(call("post", "", {"name": None, "criteria": LONDON})) == [("name", "null")]
    assert codes(call("post", "", {"name": "a\0", "criteria": LONDON})) == [("name", "unstorable_character")]
    for name in ("", "x" * 201, 5):
        assert codes(call("post", "", {"name": name, "criteria": LONDON})) == [("name", "name")]
    assert codes(call("post", "", {"name": "x", "description": "y" * 2001, "criteria": LONDON})) == [
        ("description", "description")
    ]
    assert call("get", "?archived=maybe").status_code == 422
    assert not Targeting.objects.exists()
    saved = TargetingFactory(programme=programme, name="Locals", criteria=LONDON)
    taken = call("post", "", {"name": "Locals", "criteria": LONDON})
    assert (taken.status_code, taken.json()["code"]) == (409, "targeting_name_taken")
    assert codes(call("patch", f"/{saved.pk}", {"if_version": "first"})) == [("if_version", "invalid")]
    assert TargetingVersion.objects.count() == 1


def test_s4_26_a_change_upon_what_is_no_longer_there_is_refused(programme, call):
    """S4-26: the version it has now is told, and nothing is overwritten."""
    saved = TargetingFactory(programme=programme, criteria=LONDON)
    assert call("patch", f"/{saved.pk}", {"criteria": PARIS, "if_version": 1}).status_code == 200
    refused = call("patch", f"/{saved.pk}", {"criteria": LONDON, "name": "Mine", "if_version": 1})
    assert (refused.status_code, refused.json()["code"], refused.json()["version"]) == (409, "targeting_changed", 2)
    saved.refresh_from_db()
    assert (saved.name, saved.current_version.criteria) == (saved.name, PARIS)
    assert call("patch", f"/{saved.pk}", {"criteria": LONDON}).json()["version"] == 3


def test_s4_26_a_list_is_searched_and_costs_no_more_for_many(programme, call, django_assert_max_num_queries):
    """S4-26: by words of name and description, the newest first, only the own programme's."""
    TargetingFactory(name="Elsewhere")
    for number in range(5):
        inner = TargetingFactory(programme=programme, name=f"Inner {number}", criteria=LONDON)
        TargetingFactory(programme=programme, name=f"Outer {number}", criteria={"targeting": inner.pk})
    with django_assert_max_num_queries(16):
        found = call("get").json()["results"]
    assert [one["name"] for one in found[:2]] == ["Outer 4", "Inner 4"]
    assert [one["sentence"] for one in found[:2]] == ["is in “Inner 4”", "City is London"]
    assert len(found) == 10
    assert [one["name"] for one in call("get", "?q=outer+3").json()["results"]] == ["Outer 3"]


def test_s4_26_only_the_scope_and_the_own_programme_get_in(programme, call):
    """S4-26, D-21."""
    theirs = TargetingFactory(criteria=LONDON)
    for method, address in (("get", ""), ("post", "/archive"), ("post", "/unarchive"), ("patch", "")):
        assert call(method, f"/{theirs.pk}{address}", {"name": "Mine"}).status_code == 404
        assert call(method, f"/{10**30}{address}", {"name": "Mine"}).status_code == 404
    assert call("get", scopes=(Scope.MEMBERS,)).status_code == 403
    theirs.refresh_from_db()
    assert theirs.archived_at is None


@pytest.mark.parametrize(
    "tree",
    [
        ANN,
        ANN | {"is": "in", "value": ["ann", "bob"]},
        {"field": "member.email", "is": "contains", "value": "ann@"},
        {"op": "and", "items": [PARIS, {"not": True, "op": "or", "items": [ANN | {"is": "not_equals"}]}]},
        {"field": "member.phone", "is": "starts_with", "value": "+33612345678"},
    ],
)
def test_s4_26_a_key_without_members_counts_nobody_alone(programme, call, tree):
    """S4-26: neither at once, nor through a saved targeting, nor by saving one; with the scope it may."""
    MemberFactory(programme=programme, external_id="ann", city="Paris")
    saved = service.create(programme=programme, name="Hers", criteria=tree, actor=None)
    within = {"op": "and", "items": [PARIS, {"targeting": saved.pk}]}
    for body in (
        {"criteria": tree},
        {"criteria": tree, "is_estimate": True},
        {"targeting": saved.pk},
        {"criteria": within},
    ):
        refused = call("post", "/count", body)
        assert (refused.status_code, refused.json()["code"], refused.json()["scope"]) == (
            403,
            "missing_scope",
            "members",
        )
        assert call("post", "/count", body, scopes=(Scope.TARGETINGS, Scope.MEMBERS)).status_code == 200
    assert call("post", "", {"name": "Probe", "criteria": within}).json()["code"] == "missing_scope"
    mine = TargetingFactory(programme=programme, criteria=PARIS)
    assert call("patch", f"/{mine.pk}", {"criteria": tree}).json()["code"] == "missing_scope"
    assert TargetingVersion.objects.count() == 2
    known = {"field": "member.email", "is": "exists"}
    assert call("post", "/count", {"criteria": known}).status_code == 200


def test_s4_26_a_list_of_one_member_is_no_way_round(programme, call):
    """S4-26: who uploads a list of one and counts it within a condition asks about her."""
    ann = MemberFactory(programme=programme, external_id="ann", city="Paris")
    alone = MemberList.objects.create(programme=programme, name="Her", lines=1, size=1, unknown=0, repeated=0)
    MemberListEntry.objects.create(member_list=alone, member=ann, line=2)
    body = {"criteria": {"op": "and", "items": [PARIS, {"list": alone.pk}]}}
    assert call("post", "/count", body).json()["code"] == "missing_scope"
    assert call("post", "/count", body, scopes=(Scope.TARGETINGS, Scope.MEMBERS)).json()["count"] == 1


def test_s4_26_a_targeting_is_made_once_for_an_idempotency_key(client, programme):
    """S4-26 (R3): the answer that was lost is given again, and no second one is made or refused."""
    _, key = ApiClient.objects.create_key(name="analytics", programme=programme, scopes=[Scope.TARGETINGS])
    headers = {"Authorization": f"Api-Key {key}", "Idempotency-Key": "locals-1"}
    wanted = {"name": "Locals", "criteria": LONDON}
    first, again = (
        client.post("/api/v1/targetings", wanted, content_type="application/json", headers=headers) for _ in range(2)
    )
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert Targeting.objects.get().name == "Locals"
    other = client.post("/api/v1/targetings", wanted | {"name": "x"}, content_type="application/json", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
