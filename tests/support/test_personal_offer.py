"""What an import made, at the desk: its terms in words, why it changed, and no verb of staff's (S1-19, S3-12, D-14)."""

import pytest
from django.test import Client
from django.urls import reverse

from offers.models import Assignment
from tests.factories import UserFactory
from tests.offers.personal_offers import imported, item, members_of, offer_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    return offer_of(terms={"validity": {"days": 30}})


@pytest.fixture
def agent(offer):
    client = Client()
    client.force_login(UserFactory(role="support agent", programmes=[offer.programme]))
    return client


def test_an_agent_reads_the_members_terms_and_why_an_import_replaced_them_s1_19_d_14(offer, agent):
    [member] = members_of(offer, "M-1")
    imported(offer, {"member": "M-1", "items": [item()]})
    imported(offer, {"member": "M-1", "items": [item(size=35), item("TEA", 100, "bonus_points")]})
    old, new = Assignment.objects.filter(member=member).order_by("id")
    page = agent.get(reverse("support:assignment", args=[new.pk])).text
    assert "35 % off Coffee" in page
    assert "100 bonus points for Tea" in page
    page = agent.get(reverse("support:assignment", args=[old.pk])).text
    assert "An import changed the member&#x27;s attribute." in page
    assert reverse("support:assignment", args=[new.pk]) in page


def test_staff_neither_extend_nor_reissue_what_an_import_made_s3_12_d_14(offer, agent):
    [member] = members_of(offer, "M-1")
    imported(offer, {"member": "M-1", "items": [item()]})
    held = Assignment.objects.get(member=member)
    for verb, values in (("extend", {"last_day": "2099-12-31"}), ("reissue", {})):
        page = agent.post(
            reverse(f"support:{verb}", args=[held.pk]), {"reason": "she asked", **values}, follow=True
        ).text
        assert "An import made it, from the member&#x27;s data." in page
    before = held.ends_at
    held.refresh_from_db()
    assert (held.ends_at, held.revoked_at, Assignment.objects.count()) == (before, None, 1)
