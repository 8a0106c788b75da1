"""Whose address a request carries, and which way it goes."""

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from loyalty import clock
from loyalty.models import Scope
from loyalty.services import member_token
from tests.factories import ApiClientFactory, MemberFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("trusts", "forwarded", "status"),
    [
        (True, "198.51.100.1, 203.0.113.7", 200),
        (True, "203.0.113.7", 200),
        # What the caller wrote herself stands before what the proxy adds.
        (True, "203.0.113.7, 198.51.100.1", 401),
        (True, "nonsense", 401),
        (True, "", 401),
        (False, "203.0.113.7", 401),
    ],
)
def test_behind_a_trusted_proxy_a_keys_address_is_the_last_hop(settings, trusts, forwarded, status):
    """A key that is bound to an address works through the proxy, and from nowhere else."""
    settings.TRUST_PROXY = trusts
    member = MemberFactory()
    _, key = ApiClientFactory(programme=member.programme, scopes=[Scope.MEMBERS], allowed_addresses=["203.0.113.7"])
    headers = {"Authorization": f"Api-Key {key}"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    answer = Client().get(f"/api/v1/members/{member.external_id}", headers=headers, REMOTE_ADDR="10.0.0.1")
    assert answer.status_code == status


def test_the_address_is_set_before_anything_reads_it():
    assert settings.MIDDLEWARE[0] == "loyalty.middleware.CallerAddressMiddleware"


def test_an_api_request_reads_no_session_sets_no_cookie_and_keeps_the_transport_headers():
    """Goal D: what browsers need is not paid for by members' apps; what protects the transport stays."""
    member = MemberFactory()
    token = member_token.mint(member=member, now=clock.now())
    client = Client()
    client.cookies["sessionid"] = "anything"
    client.cookies["django_language"] = "de"
    answer = client.get("/api/v1/me/offers", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert not hasattr(answer.wsgi_request, "session")
    assert not answer.cookies
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert int(answer["Content-Length"]) == len(answer.content)


def test_an_api_request_does_not_speak_the_language_of_the_page_before_it_in_its_thread():
    translation.activate("de")
    Client().get("/api/v1/me/offers")
    assert translation.get_language() == "en"


def test_an_unknown_api_address_and_one_that_fails_are_problem_details(monkeypatch):
    answer = Client().get("/api/v1/nothing-here")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    token = member_token.mint(member=MemberFactory(), now=clock.now())

    def fail(**_given):
        raise RuntimeError("a bug")

    monkeypatch.setattr("offers.api.member_offers.member_offers.listed", fail)
    client = Client(raise_request_exception=False)
    broken = client.get("/api/v1/me/offers", headers={"Authorization": f"Bearer {token}"})
    assert broken.status_code == 500
    assert broken.json()["code"] == "internal_error"


def test_a_till_that_asks_for_html_gets_json():
    token = member_token.mint(member=MemberFactory(), now=clock.now())
    answer = Client().get("/api/v1/me/offers", headers={"Authorization": f"Bearer {token}", "Accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
