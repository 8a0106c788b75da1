"""A chunk that meets another door at the same member: one of the two gives, the other says that she has it."""

import threading
import time

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

pytestmark = pytest.mark.django_db(transaction=True)


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction, who is there stays as it was first read: a session that began later would be missed.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            """
            SELECT count(*) FROM pg_locks JOIN pg_stat_get_activity(NULL) AS session USING (pid)
             WHERE NOT granted AND locktype = 'transactionid'
               AND session.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        )
        return cursor.fetchone()[0] > 0


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
        deadline = time.monotonic() + 20
        while not waits_for_a_lock() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert waits_for_a_lock()
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
