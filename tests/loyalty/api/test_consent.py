"""`/api/v1/consents`, `channels` and `stores`: from outside (S1-20, S3-14, issue 4)."""

import pytest
from django.test import Client

from loyalty.models import AuditEvent, Channel, Consent, ConsentEvent, Scope, Store
from tests.factories import ApiClientFactory, MemberFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def ask(programme):
    scopes = [Scope.CONSENTS, Scope.CATALOGUE_READ, Scope.CATALOGUE_WRITE]
    _, key = ApiClientFactory(programme=programme, scopes=scopes)

    def go(method: str, path: str, body=None):
        return getattr(Client(), method)(
            f"/api/v1/{path}",
            **({"data": body, "content_type": "application/json"} if body is not None else {}),
            headers={"Authorization": f"Api-Key {key}"},
        )

    return go


def test_consents_are_given_and_read_over_the_api(programme, ask):
    MemberFactory(programme=programme, external_id="a/b", phone="")
    answer = ask(
        "post",
        "consents",
        {
            "consents": [
                {"member": "a/b", "channel": "email", "is_granted": True, "changed_at": "2026-01-31T10:00:00Z"},
                {"member": "a/b", "channel": "sms", "is_granted": True},
            ]
        },
    )
    assert (answer.status_code, answer.json()) == (200, {"given": 2, "changed": 2})
    assert ConsentEvent.objects.filter(api_client__isnull=False, source="api").count() == 2
    found = ask("get", "consents?member=a/b").json()
    assert found["member"] == "a/b"
    assert {one["channel"]: (one["state"], one["is_reachable"]) for one in found["consents"]} == {
        "email": ("given", True),
        "sms": ("given", False),
        "push": ("not_asked", False),
        "receipt": ("not_asked", False),
        "app": ("not_asked", False),
    }
    assert found["consents"][0]["changed_at"] == "2026-01-31T10:00:00Z"


def test_bad_consents_are_named_and_nothing_is_written(programme, ask):
    MemberFactory(programme=programme, external_id="m1")
    body = {"consents": [{"member": "m1", "channel": "email", "is_granted": True}, {"member": "m2"}]}
    answer = ask("post", "consents", body)
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["problems"]} == {
        "consents[1].member", "consents[1].channel", "consents[1].is_granted",
    }  # fmt: skip
    assert not Consent.objects.exists()
    assert ask("post", "consents", []).status_code == 422
    assert ask("get", "consents").status_code == 422
    assert ask("get", "consents?member=nobody").status_code == 404


def test_channels_are_data_that_a_key_can_add_and_switch_off(programme, ask):
    made = ask("put", "channels/viber", {"name": "Viber", "address": "phone"})
    assert made.status_code == 201
    assert made.json() == {"code": "viber", "name": "Viber", "address": "phone", "is_active": True}
    assert ask("put", "channels/viber", {"is_active": False}).json()["is_active"] is False
    assert ask("put", "channels/viber", {"is_active": False}).status_code == 200
    assert AuditEvent.objects.filter(action="channel.put").count() == 2
    assert [one["code"] for one in ask("get", "channels").json()][-1] == "viber"
    refused = ask("put", "channels/Fax 1", {"name": "", "address": "pigeon", "is_active": 1, "colour": "red"})
    assert {one["field"] for one in refused.json()["problems"]} == {"code", "name", "address", "is_active", "colour"}
    assert Channel.objects.filter(programme=programme).count() == 6


def test_stores_are_put_by_external_id(programme, ask):
    made = ask("put", "stores/s/1", {"name": " North ", "timezone": "Europe/Paris"})
    assert made.status_code == 201
    assert ask("put", "stores/s/1", {"city": "Lyon"}).json() == {
        "external_id": "s/1",
        "name": "North",
        "city": "Lyon",
        "timezone": "Europe/Paris",
    }
    assert ask("put", "stores/s/1", {"city": "Lyon"}).status_code == 200
    assert AuditEvent.objects.filter(action="store.put").count() == 2
    assert ask("get", "stores/s/1").json()["city"] == "Lyon"
    assert ask("get", "stores/nowhere").status_code == 404
    refused = ask("put", "stores/s2", {"city": "x" * 101, "timezone": "Mars/Base", "colour": 1})
    assert [one["field"] for one in refused.json()["problems"]] == ["city", "colour", "name", "timezone"]
    assert ask("put", "stores/s/1", {"name": None}).status_code == 422
    assert Store.objects.filter(programme=programme).count() == 1
