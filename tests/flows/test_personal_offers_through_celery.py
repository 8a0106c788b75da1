"""Imports of personal offers and real Celery workers, killed in the middle (S1-06, D-14, C-04)."""

import pytest

from loyalty import clock
from loyalty.database import rows
from offers.models import Assignment, PersonalOfferImport
from offers.services import personal_offer, personal_offer_work
from offers.tasks import personal_offer as tasks
from tests import integrity, workers
from tests.factories import MemberFactory
from tests.offers.personal_offers import item, jsonl, offer_of, received

pytestmark = pytest.mark.django_db(transaction=True)
MEMBERS = 6_000


def test_a_worker_killed_in_the_middle_leaves_the_rest_to_the_next_one(tmp_path, monkeypatch):
    """Kill -9 of a real worker: the sweeper rings, another one goes on behind what is done, each member once."""
    offer = offer_of()
    members = MemberFactory.create_batch(MEMBERS, programme=offer.programme)
    upload = received(offer, jsonl(*({"member": one.external_id, "items": [item()]} for one in members)))
    with workers.worker(tmp_path) as first:
        personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
        tasks.ring(upload.pk)
        workers.wait(Assignment.objects.exists, what="the first chunk")
        first.kill()
    upload.refresh_from_db()
    assert upload.state == "committing"
    assert upload.done_to == Assignment.objects.count()
    assert 0 < upload.done_to < MEMBERS
    # The dead worker's lease is over, as it is two minutes later.
    PersonalOfferImport.objects.filter(pk=upload.pk).update(leased_until=clock.now())
    assert personal_offer_work.waiting(now=clock.now()) == [upload.pk]

    with workers.worker(tmp_path):

        def is_done() -> bool:
            tasks.sweep()
            return PersonalOfferImport.objects.get().state == "finished"

        workers.wait(is_done, what="the second worker to end it")
    assert PersonalOfferImport.objects.get().counts == {"new": MEMBERS}
    [counted] = rows("SELECT count(*) AS n, count(DISTINCT member_id) AS members FROM offers_assignment")
    assert counted == {"n": MEMBERS, "members": MEMBERS}
    integrity.assert_whole()
