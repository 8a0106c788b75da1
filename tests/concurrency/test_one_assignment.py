"""Many at one assignment: accepted once, and a code is either shown or taken back unseen, never both."""

import pytest

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent
from offers.services import assignment_verbs, revocation
from tests.factories import ConfigOfferFactory, MemberFactory, give, import_codes
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_acceptances_are_one():
    """S1-16: one event and one message; everyone is told the same moment."""
    member = MemberFactory()
    offer = ConfigOfferFactory(programme=member.programme, terms={"acceptance": {"required": True}})
    held = give(member, offer)

    def accept():
        return assignment_verbs.accept(member_id=member.pk, assignment_id=held.pk, now=clock.now())

    answers = at_once([accept] * 20)

    assert sorted(answer.code for answer in answers) == ["accepted", *["already_accepted"] * 19]
    assert len({answer.accepted_at for answer in answers}) == 1
    assert AssignmentEvent.objects.filter(verb="accepted").count() == 1
    assert OutboxEvent.objects.filter(type="assignment.accepted").count() == 1


def test_a_code_shown_while_it_is_taken_back_is_known_to_have_been_shown():
    """D-10: whatever wins, a code that someone saw is marked as exposed, and one taken back first is not shown."""
    member = MemberFactory()
    offer = ConfigOfferFactory(programme=member.programme, require_vouchers=True, repeat_policy="unlimited")
    import_codes(offer, 12)
    for _ in range(12):
        held = give(member, offer)
        shown, revoked = at_once(
            [
                lambda held=held: assignment_verbs.expose(member_id=member.pk, assignment_id=held.pk, now=clock.now()),
                lambda held=held: revocation.revoke(
                    programme=member.programme, assignment_id=held.pk, reason="test", now=clock.now()
                ),
            ]
        )
        after = Assignment.objects.get(pk=held.pk)
        assert revoked.is_revoked
        assert after.revoked_at is not None
        if shown is not None:
            assert after.exposed_at is not None
        exposures = AssignmentEvent.objects.filter(assignment=held, verb="exposed").count()
        assert exposures == (1 if after.exposed_at else 0)
        # Once it is taken back, nobody is shown it any more.
        assert assignment_verbs.expose(member_id=member.pk, assignment_id=held.pk, now=clock.now()) is None
