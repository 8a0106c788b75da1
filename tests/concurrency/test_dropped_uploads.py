"""Somebody goes on with an old file in the moment in which it is dropped: one of the two happens, whole (issue 4)."""

import time
from datetime import timedelta

import pytest

from loyalty import clock
from loyalty.errors import Conflict
from loyalty.models import Member, MemberImport, MemberImportPart
from loyalty.services import member_import, member_import_dropping
from offers.models import PersonalOfferImport, PersonalOfferRow, PersonalOfferValue
from offers.services import personal_offer, personal_offer_dropping, personal_offer_work
from tests.factories import ProgrammeFactory
from tests.loyalty.services.test_member_import import run
from tests.offers.personal_offers import item, jsonl, members_of, offer_of, received
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("turn", range(4))
def test_issue_4_a_file_of_members_is_imported_or_dropped_never_half(turn):
    """Issue 4: whoever is second is told; a file that is being imported keeps its pieces."""
    made = run(ProgrammeFactory(), "external_id,city\nann,London\n", wish="check", now=clock.now() - timedelta(days=30))

    def start():
        try:
            member_import.start(member_import=MemberImport.objects.get(pk=made.pk), actor=None)
        except Conflict as refusal:
            return refusal.code
        # Who looks for old files may hold it for a moment; the sweeper tries again as well.
        for _ in range(200):
            if member_import.work(import_id=made.pk, now=clock.now()):
                return "started"
            time.sleep(0.02)
        return "not done"

    started, dropped, _again = at_once([start, *[lambda: member_import_dropping.drop_next(now=clock.now())] * 2])
    made.refresh_from_db()
    assert not MemberImportPart.objects.exists()
    if made.state == "dropped":
        assert (started, Member.objects.count()) == ("dropped", 0)
    else:
        assert (made.state, started, dropped, Member.objects.count()) == ("finished", "started", False, 1)


@pytest.mark.parametrize("turn", range(4))
def test_issue_4_an_import_of_personal_offers_is_committed_or_dropped_never_half(turn):
    """Issue 4, D-14: two sweepers and somebody who commits; rows go only with what nobody committed."""
    offer = offer_of()
    members_of(offer, "M-1", "M-2")
    upload = received(offer, jsonl(*({"member": one, "items": [item()]} for one in ("M-1", "M-2"))))
    PersonalOfferImport.objects.update(checked_at=clock.now() - timedelta(days=30))

    def commit():
        try:
            personal_offer.commit(upload=upload, leaves_out_faulty=False, actor=None, now=clock.now())
        except personal_offer.ImportState:
            return "refused"
        personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)
        return "committed"

    def sweep():
        while personal_offer_dropping.drop_next(now=clock.now()):
            pass

    committed, *_ = at_once([commit, sweep, sweep])
    sweep()
    state = PersonalOfferImport.objects.get(pk=upload.pk).state
    left = (PersonalOfferRow.objects.count(), PersonalOfferValue.objects.count())
    assert (committed, state, left) in {("committed", "finished", (2, 2)), ("refused", "dropped", (0, 0))}
