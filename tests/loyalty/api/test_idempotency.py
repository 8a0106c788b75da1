"""Idempotency-Key: one effect, one answer (R3)."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from loyalty.models import IdempotencyKey, Member, Scope
from loyalty.services import idempotency
from loyalty.services import member as member_service
from loyalty.tasks.idempotency import forget_old
from tests.factories import ApiClientFactory


@pytest.fixture
def client():
    return ApiClientFactory(scopes=[Scope.MEMBERS])


def post(key: str, body, *, idempotency_key: str = "k-1"):
    headers = {"Authorization": f"Api-Key {key}", "Idempotency-Key": idempotency_key}
    return Client().post("/api/v1/members", body, content_type="application/json", headers=headers)


BODY = {"members": [{"external_id": "m-1", "first_name": "Ada"}]}


@pytest.mark.django_db
def test_a_repeat_gets_the_same_bytes_and_has_no_effect(client):
    first = post(client[1], BODY)
    Member.objects.update(first_name="Changed since")
    again = post(client[1], BODY)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert first["Content-Type"] == again["Content-Type"]
    assert (first["Idempotency-Replayed"], again["Idempotency-Replayed"]) == ("false", "true")
    assert Member.objects.get().first_name == "Changed since"


@pytest.mark.django_db
def test_another_body_under_the_same_key_is_refused(client):
    post(client[1], BODY)
    other = post(client[1], {"members": [{"external_id": "m-2"}]})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Member.objects.count() == 1


@pytest.mark.django_db
def test_keys_are_each_clients_own(client):
    other = ApiClientFactory(scopes=[Scope.MEMBERS])
    assert post(client[1], BODY)["Idempotency-Replayed"] == "false"
    assert post(other[1], BODY)["Idempotency-Replayed"] == "false"
    assert Member.objects.count() == 2


@pytest.mark.django_db
def test_a_refusal_is_an_answer_and_is_repeated(client):
    wrong = {"members": [{"external_id": ""}]}
    first, again = post(client[1], wrong), post(client[1], wrong)
    assert (first.status_code, again.status_code) == (422, 422)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert again["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_a_failure_is_not_kept_and_the_next_try_works(client, monkeypatch):
    """R3: 5xx is not stored, and leaves no effect."""
    works = member_service.put

    def fails(**values):
        works(**values)
        raise OperationalError("the database went away")

    monkeypatch.setattr(member_service, "put", fails)
    assert post(client[1], BODY).status_code == 503
    assert not Member.objects.exists()
    assert not IdempotencyKey.objects.exists()
    monkeypatch.setattr(member_service, "put", works)
    assert post(client[1], BODY)["Idempotency-Replayed"] == "false"
    assert Member.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 201, "ü", "a\tb"])
def test_a_key_that_is_none_is_refused(client, key):
    answer = post(client[1], BODY, idempotency_key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_idempotency_key")
    assert not Member.objects.exists()


@pytest.mark.django_db
def test_old_answers_are_forgotten(client):
    post(client[1], BODY)
    forget_old()
    assert IdempotencyKey.objects.count() == 1
    assert idempotency.forget_old(now=timezone.now() + idempotency.KEPT + timedelta(minutes=1)) == 1
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_thirty_at_once_have_one_effect_and_the_rest_wait_or_repeat(client, monkeypatch):
    """R3: 409 while the first one works, then the same answer."""
    begun, go_on = threading.Event(), threading.Event()
    works = member_service.put

    def slowly(**values):
        begun.set()
        assert go_on.wait(20)
        return works(**values)

    monkeypatch.setattr(member_service, "put", slowly)
    answers = []

    def one():
        try:
            answers.append(post(client[1], BODY))
        finally:
            connection.close()

    first = threading.Thread(target=one)
    first.start()
    assert begun.wait(20)
    crowd = [threading.Thread(target=one) for _ in range(29)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(60)
    assert Counter(answer.status_code for answer in answers) == {409: 29}
    assert {answer.json()["code"] for answer in answers} == {"idempotency_in_progress"}
    go_on.set()
    first.join(60)

    serial = [post(client[1], BODY) for _ in range(30)]

    done = [answer for answer in answers if answer.status_code == 200] + serial
    assert len({answer.content for answer in done}) == 1
    assert [answer["Idempotency-Replayed"] for answer in serial] == ["true"] * 30
    assert Member.objects.count() == 1
