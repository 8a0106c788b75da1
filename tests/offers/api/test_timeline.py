"""B-18 over the API: one timeline per assignment, with who, what changed and what was told, and never a code."""

from datetime import timedelta

import pytest
from django.test import Client

from loyalty import clock
from loyalty.models import Scope
from loyalty.services import outbox
from offers.models import Assignment
from offers.services import assignment_verbs
from tests.factories import ApiClientFactory, ConfigOfferFactory, MemberFactory, ProgrammeFactory, give, import_codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ask(programme):
    _client, key = ApiClientFactory(
        programme=programme, scopes=[Scope.ASSIGNMENTS_READ, Scope.ASSIGNMENTS_WRITE], name="crm"
    )

    def go(path, body=None):
        address, headers = f"/api/v1/assignments/{path}", {"Authorization": f"Api-Key {key}"}
        if body is None:
            return Client().get(address, headers=headers)
        return Client().post(address, body, content_type="application/json", headers=headers)

    return go


def done(entries):
    """What was done, without the moments, which are only in order; what was told is looked at apart."""
    moments = [entry["at"] for entry in entries]
    assert moments == sorted(moments)
    return [
        (
            entry["kind"],
            entry["source"],
            entry["api_client"],
            entry["reason"],
            [one["field"] for one in entry["changes"]],
        )
        for entry in entries
        if entry["kind"] != "told"
    ]


def test_b_18_the_issue_says_the_terms_of_its_day_whatever_was_extended_since(ask, programme):
    """A history that cannot be edited: extending changes what holds, not what was given."""
    offer = ConfigOfferFactory(programme=programme, terms={"validity": {"days": 5}})
    plain = give(MemberFactory(programme=programme), offer)
    given = {"validity": {"days": 3}}
    own = give(MemberFactory(programme=programme), offer, terms=given)
    for held, terms in ((plain, {}), (own, given)):
        for days in (10, 20):
            later = (clock.now() + timedelta(days=days)).isoformat()
            assert ask(f"{held.pk}/extend", {"ends_at": later, "reason": "asked for"}).json()["code"] == "extended"
        issued, first, second = (
            entry for entry in ask(f"{held.pk}/timeline").json()["entries"] if entry["kind"] != "told"
        )
        assert issued["details"]["terms"] == terms
        [before] = [change["old"] for change in first["changes"] if change["field"] == "validity"]
        [between] = [change["old"] for change in second["changes"] if change["field"] == "validity"]
        assert before == terms.get("validity")
        assert between["ends_at"] < Assignment.objects.get(pk=held.pk).terms["validity"]["ends_at"]


def test_b_18_one_that_was_granted_seen_reissued_and_revoked(ask, programme):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, terms={"validity": {"days": 5}})
    import_codes(offer, ["SECRET-1", "SECRET-2"])
    begun = clock.now() - timedelta(hours=2)
    old = give(MemberFactory(programme=programme), offer, now=begun)
    assignment_verbs.mark_seen(member_id=old.member_id, assignment_id=old.pk, now=begun + timedelta(minutes=1))
    assignment_verbs.expose(member_id=old.member_id, assignment_id=old.pk, now=begun + timedelta(minutes=2))
    new = ask(f"{old.pk}/reissue", {"reason": "card was lost"}).json()["assignment"]
    assert ask(f"{new}/revoke", {"reason": "by mistake"}).json()["code"] == "revoked"
    outbox.relay()

    first, second = ask(f"{old.pk}/timeline"), ask(f"{new}/timeline")

    assert done(first.json()["entries"]) == [
        ("issued", "support", None, "", []),
        ("seen", None, None, "", ["seen_at"]),
        ("exposed", None, None, "", ["exposed_at"]),
        ("reissued", "api", "crm", "card was lost", ["revoked_at", "holding_key"]),
    ]
    assert done(second.json()["entries"]) == [
        ("issued", "api", None, "", []),
        ("revoked", "api", "crm", "by mistake", ["revoked_at", "holding_key", "voucher_code"]),
    ]
    # Linked both ways, and what was told to others stands with its gapless position.
    assert [entry["link"] for entry in first.json()["entries"] if entry["kind"] == "reissued"] == [new]
    assert second.json()["entries"][0]["link"] == str(old.pk)
    tellings = [e for e in first.json()["entries"] + second.json()["entries"] if e["kind"] == "told"]
    assert [entry["details"]["type"] for entry in tellings] == ["assignment.created", "assignment.revoked"] * 2
    positions = sorted(entry["details"]["position"] for entry in tellings)
    assert positions == list(range(positions[0], positions[0] + 4))
    assert "SECRET" not in first.text + second.text
    assert Assignment.objects.get(pk=new).voucher_code_id is None, "nobody saw it: it went back"
