"""Criteria through the API: counted, and explained for one member (S4-26, B-02)."""

import pytest

from loyalty.models import ApiClient, AuditEvent, Scope
from tests.factories import MemberFactory, ProgrammeFactory, TargetingFactory

pytestmark = pytest.mark.django_db
LONDON = {"field": "member.city", "is": "equals", "value": "London"}


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ask(programme, client):
    def post(body, *scopes):
        _, key = ApiClient.objects.create_key(
            name="analytics", programme=programme, scopes=list(scopes or (Scope.TARGETINGS, Scope.MEMBERS))
        )
        return client.post(
            "/api/v1/targetings/explain",
            body,
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )

    return post


def test_a_machine_is_told_why_a_member_is_out(programme, ask):
    """B-02: by criteria, and by a saved targeting."""
    member = MemberFactory(programme=programme, external_id="M-1", city="Paris")
    expected = {
        "member": "M-1",
        "is_meant": False,
        "sentence": "She is not meant, because this does not hold: City is London.",
        "clauses": [
            {"path": "", "depth": 0, "kind": "condition", "text": "City is London", "holds": False, "value": "Paris"}
        ],
    }
    answer = ask({"criteria": LONDON, "member": "M-1"})
    assert (answer.status_code, answer.json()) == (200, expected)
    audited = AuditEvent.objects.get(action="member.explained")
    assert (audited.api_client.name, audited.object_id) == ("analytics", str(member.pk))
    saved = TargetingFactory(programme=programme, criteria=LONDON)
    assert ask({"targeting": saved.pk, "member": "M-1"}).json() == expected


def test_an_explanation_needs_both_scopes_and_a_member_of_the_programme(programme, ask):
    MemberFactory(external_id="theirs")
    MemberFactory(programme=programme, external_id="M-1")
    body = {"criteria": LONDON, "member": "M-1"}
    assert ask(body, Scope.TARGETINGS).json()["code"] == "missing_scope"
    assert ask(body, Scope.MEMBERS).status_code == 403
    assert ask(body | {"member": "theirs"}).json()["code"] == "unknown_member"
    assert ask({"member": "M-1"}).status_code == 422
    refused = ask({"criteria": {"field": "member.shoe"}, "member": "M-1"})
    assert (refused.status_code, refused.json()["problems"][0]["code"]) == (422, "unknown_field")


def test_a_machine_breaks_an_audience_down(programme, client):
    """Issue 4: by one field; whoever may not read members may not, because one member is an audience too."""
    MemberFactory.create_batch(2, programme=programme, city="London", tier="gold")
    MemberFactory(programme=programme, city="London", tier="")
    MemberFactory(programme=programme, city="Paris", tier="gold")

    def ask(body, *scopes):
        _, key = ApiClient.objects.create_key(name="analytics", programme=programme, scopes=list(scopes))
        head = {"Authorization": f"Api-Key {key}"}
        return client.post("/api/v1/targetings/breakdown", body, content_type="application/json", headers=head)

    answer = ask({"criteria": LONDON, "by": "member.tier"}, Scope.TARGETINGS, Scope.MEMBERS)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "count": 3,
            "by": "member.tier",
            "parts": [
                {"label": "gold", "kind": "value", "count": 2},
                {"label": "not known", "kind": "unknown", "count": 1},
            ],
        },
    )
    assert ask({"criteria": LONDON, "by": "member.tier"}, Scope.TARGETINGS).json()["code"] == "missing_scope"
    refused = ask({"criteria": LONDON, "by": "member.email"}, Scope.TARGETINGS, Scope.MEMBERS)
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (422, "by")
