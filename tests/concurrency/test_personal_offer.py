"""Imports of one offer at once: machines, a chunk, two workers; each member ends with one offer (D-14)."""

import io

import pytest

from loyalty import clock
from offers.models import Assignment, PersonalOfferImport, PersonalOfferPart, PersonalOfferValue
from offers.services import personal_offer, personal_offer_work
from tests.factories import ApiClientFactory
from tests.offers.personal_offers import item, jsonl, members_of, offer_of, received
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
MEMBERS = 20


def test_machines_and_a_file_meet_and_each_member_holds_one_offer_d_14():
    """Whichever comes last counts, whole; what it replaced is void, and nobody holds two."""
    offer = offer_of()
    members_of(offer, *(f"M-{n}" for n in range(MEMBERS)))
    upload = received(offer, jsonl(*({"member": f"M-{n}", "items": [item(size=1)]} for n in range(MEMBERS))))
    personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())

    def machine(size):
        def work():
            for _ in range(3):
                values = [{"member": f"M-{n}", "items": [item(size=size)]} for n in reversed(range(MEMBERS))]
                personal_offer.put(
                    programme=offer.programme, offer=offer, values=values, now=clock.now(), api_client=None
                )

        return work

    def worker():
        personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)

    at_once([machine(2), machine(3), machine(4), worker, worker])
    assert PersonalOfferImport.objects.get(pk=upload.pk).state == "finished"
    assert Assignment.objects.filter(revoked_at__isnull=True).count() == MEMBERS
    counting = dict(PersonalOfferValue.objects.values_list("member_id", "assignment_id"))
    assert counting == dict(Assignment.objects.filter(revoked_at__isnull=True).values_list("member_id", "pk"))


def test_an_upload_sent_twice_at_once_under_one_key_is_one_import_r3():
    offer = offer_of()
    client, _ = ApiClientFactory(programme=offer.programme, scopes=[])
    content = jsonl({"member": "M-1", "items": [item()]})

    def upload():
        return personal_offer.receive(
            programme=offer.programme,
            offer=offer,
            file=io.BytesIO(content),
            file_name="offers.jsonl",
            is_full=False,
            actor=None,
            now=clock.now(),
            api_client=client,
            reference="k-1",
        ).pk

    assert len(set(at_once([upload] * 4))) == 1
    assert (PersonalOfferImport.objects.count(), PersonalOfferPart.objects.count()) == (1, 1)
