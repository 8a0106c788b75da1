"""A chunk that meets another door at the same member: one of the two gives, the other says that she has it."""

import threading

import pytest
from django.db import connection, transaction

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, AudienceMember, MassAssignment
from offers.services import execution
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    give,
    import_codes,
    plan_run,
)
from tests.threads import are_waiting

pytestmark = pytest.mark.django_db(transaction=True)


def test_c_04_a_member_given_the_offer_while_her_chunk_is_written_keeps_the_one_and_the_others_get_theirs():
    """C-04, D-01: the grant is not yet committed when the chunk looks, so only the unique index can tell."""
    offer = ConfigOfferFactory(require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 6)
    members = MemberFactory.create_batch(5, programme=offer.programme)
    run = plan_run(offer)

    def work() -> None:
        try:
            execution.do_next_chunk(run_id=run.pk, now=clock.now())
        finally:
            connection.close()

    chunk = threading.Thread(target=work)
    with transaction.atomic():
        held = give(members[2], offer)
        chunk.start()
        assert are_waiting(1, locktype="transactionid")
    chunk.join(timeout=20)
    execution.finish(run_id=run.pk, now=clock.now())

    run.refresh_from_db()
    assert run.state == MassAssignment.State.FINISHED
    assert sorted(Assignment.objects.values_list("member_id", flat=True)) == sorted(member.pk for member in members)
    assert Assignment.objects.get(member=members[2]).pk == held.pk
    assert AudienceMember.objects.get(run=run, member=members[2]).outcome == "already_held"
    assert [(told.size) for told in OutboxEvent.objects.filter(run_id=run.pk)] == [4]
    codes = set(Assignment.objects.values_list("voucher_code_id", flat=True))
    assert len(codes) == 5
    # The code that was reserved for her is back on the tape, and the next one asked for gets it.
    next_one = give(MemberFactory(programme=offer.programme), offer)
    assert next_one.voucher_code_id not in codes
