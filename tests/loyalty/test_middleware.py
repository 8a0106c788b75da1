"""Whose address a request carries."""

import pytest
from django.conf import settings
from django.test import Client

from loyalty.models import Scope
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
