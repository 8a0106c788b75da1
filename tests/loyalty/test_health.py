"""For machines that watch, and errors in the same look for people (DESIGN 8)."""

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from loyalty.views import health


def test_alive_asks_nobody(client, monkeypatch):
    monkeypatch.setattr(health, "_database", lambda: False)
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_ready_names_what_does_not_answer(client, monkeypatch):
    assert client.get("/readyz").json() == {"ready": True, "failing": []}
    monkeypatch.setattr(cache, "get", lambda key: (_ for _ in ()).throw(ConnectionError()))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "failing": ["cache"]}


@pytest.mark.parametrize(
    ("headers", "address", "status"),
    [
        ({}, "127.0.0.1", 200),
        ({}, "::1", 200),
        ({}, "", 200),
        ({}, "203.0.113.7", 404),
        ({"HTTP_X_FORWARDED_FOR": "203.0.113.7"}, "127.0.0.1", 404),
        ({"HTTP_AUTHORIZATION": "Bearer right"}, "203.0.113.7", 200),
        ({"HTTP_AUTHORIZATION": "Bearer wrong"}, "203.0.113.7", 404),
        ({"HTTP_AUTHORIZATION": "Bearer "}, "203.0.113.7", 404),
    ],
)
def test_metrics_are_not_for_strangers(client, settings, headers, address, status):
    settings.METRICS_TOKEN = "right"
    assert client.get("/metrics", REMOTE_ADDR=address, **headers).status_code == status


def test_without_a_token_nobody_gets_in_with_an_empty_one(client, settings):
    settings.METRICS_TOKEN = ""
    answer = client.get("/metrics", REMOTE_ADDR="203.0.113.7", HTTP_AUTHORIZATION="Bearer ")
    assert answer.status_code == 404


@pytest.mark.parametrize(("error", "status"), [(OperationalError, 503), (KeyError, 500)])
def test_an_unexpected_error_says_what_to_do_without_asking_the_database(monkeypatch, error, status):
    def fail(**options):
        raise error("secret inner words")

    monkeypatch.setattr(health, "generate_latest", fail)
    answer = Client(raise_request_exception=False).get("/metrics")
    assert answer.status_code == status
    assert "Try again" in answer.text
    assert "secret" not in answer.text
    assert answer.has_header("Retry-After") == (status == 503)


def test_machines_get_problem_details(client):
    answer = client.get("/api/nowhere")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
