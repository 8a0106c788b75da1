"""Taking a whole run back while its members accept, open and are shown their codes: each row is one story."""

import pytest

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent
from offers.services import assignment_verbs, execution, revocation
from tests.faults import runs
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_taking_back_while_members_act_leaves_no_code_with_two_and_none_lost():
    """D-10, S1-16, issue 3: two agents take 120 offers back while members open, accept and are shown theirs."""
    run = runs.launched(120)
    run = execution.run_to_end(run_id=run.pk, clock=clock.now)
    Assignment.objects.update(acceptance_required=True)
    held = list(Assignment.objects.order_by("member_id"))

    def take_back(those):
        return [
            revocation.revoke(programme=run.programme, assignment_id=one.pk, reason="undone", now=clock.now()).code
            for one in those
        ]

    def show(those):
        return {
            one.pk: assignment_verbs.expose(member_id=one.member_id, assignment_id=one.pk, now=clock.now())
            for one in those
        }

    def accept(those):
        for one in those:
            assignment_verbs.mark_seen(member_id=one.member_id, assignment_id=one.pk, now=clock.now())
            assignment_verbs.accept(member_id=one.member_id, assignment_id=one.pk, now=clock.now())

    middle = held[40:] + held[:40]
    first, second, shown, also_shown, *_ = at_once(
        [
            lambda: take_back(held),
            lambda: take_back(held[::-1]),
            lambda: show(held[::-1]),
            lambda: show(middle),
            lambda: accept(middle),
            lambda: accept(held),
        ]
    )

    assert sorted(first + second) == ["already_revoked"] * 120 + ["revoked"] * 120
    assert not Assignment.objects.filter(revoked_at__isnull=True).exists()
    # Whose code was shown keeps it for good; every other code is back. One may be marked as shown, and taken back
    # before the answer went out: then it counts as shown.
    was_shown = {pk for answers in (shown, also_shown) for pk, code in answers.items() if code}
    exposed = Assignment.objects.filter(exposed_at__isnull=False)
    assert was_shown <= set(exposed.values_list("pk", flat=True))
    assert not exposed.filter(voucher_code__isnull=True).exists()
    assert not Assignment.objects.filter(exposed_at__isnull=True, voucher_code__isnull=False).exists()
    bank = run.config_offer.voucher_bank
    assert sum(segment.size - segment.cursor for segment in bank.segments.all()) == 120 - exposed.count()
    for verb in ("accepted", "exposed", "revoked"):
        told = AssignmentEvent.objects.filter(verb=verb).values("assignment")
        assert told.count() == told.distinct().count()
    accepted = Assignment.objects.filter(accepted_at__isnull=False).count()
    assert OutboxEvent.objects.filter(type="assignment.accepted").count() == accepted
    assert OutboxEvent.objects.filter(type="assignment.revoked").count() == 120
