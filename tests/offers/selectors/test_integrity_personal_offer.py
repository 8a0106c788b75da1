"""`check_integrity` and personal offers (D-14): a sound import passes, each thing that is wrong with one is found."""

import pytest

from loyalty import clock
from loyalty.database import execute
from loyalty.models import Member
from offers.models import Assignment
from offers.selectors import integrity
from offers.services import assignment_verbs
from tests.factories import MemberFactory, ProgrammeFactory
from tests.offers.personal_offers import committed, imported, item, jsonl, members_of, offer_of, received
from tests.offers.selectors.integrity_plants import PLANTS_OF_PERSONAL_OFFERS

pytestmark = pytest.mark.django_db


def found():
    return {one.check.name for one in integrity.examine() if one.violations}


@pytest.fixture
def world():
    """An import of every outcome: new, changed with a kept acceptance, unchanged, withdrawn, refused, left out."""
    offer = offer_of(terms={"acceptance": {"required": True}})
    kept, one, _gone, refused = members_of(offer, "M-1", "M-2", "M-3", "M-5")
    members_of(offer, "M-4")
    imported(offer, *({"member": f"M-{n}", "items": [item()]} for n in (1, 2, 3)))
    held = Assignment.objects.get(member=kept)
    assignment_verbs.accept(member_id=kept.pk, assignment_id=held.pk, now=clock.now())
    Member.objects.filter(pk=refused.pk).update(status="inactive")
    values = [
        {"member": "M-1", "items": [item()], "rank": 7},
        {"member": "M-2", "items": [item()]},
        {"member": "M-4", "items": [item()]},
        {"member": "M-5", "items": [item()]},
        {"member": "M-6", "items": [item()]},
    ]
    upload = committed(received(offer, jsonl(*values), is_full=True), leaves_out_faulty=True)
    assert upload.counts == {
        "new": 1, "changed": 1, "unchanged": 1, "withdrawn": 1, "refused": 1, "faulty": 1, "acceptance_kept": 1,
    }  # fmt: skip
    other = ProgrammeFactory()
    return {
        "upload": upload.pk,
        "one": one.pk,
        "kept": Assignment.objects.get(member=kept, revoked_at__isnull=True).pk,
        "other": other.pk,
        "stranger": MemberFactory(programme=other).pk,
    }


def test_an_import_of_every_outcome_is_whole_d_14(world):
    assert found() == set()


@pytest.mark.parametrize("name", PLANTS_OF_PERSONAL_OFFERS)
def test_what_is_broken_is_found_d_14(world, name):
    statement, finds = PLANTS_OF_PERSONAL_OFFERS[name]
    assert execute(statement, world) > 0
    assert found() == finds
