"""A deadlock provoked on purpose is tried again at the door, and nobody outside hears of it (docs/locking.md)."""

import threading

import pytest
from django.db import connection, transaction
from structlog.testing import capture_logs

from loyalty import clock
from loyalty.database import execute, in_transaction
from loyalty.models import Member
from offers.models import Assignment, DoorEntry, Source
from offers.services import door, execution
from offers.services.assignment import Grant
from tests.factories import ConfigOfferFactory, MemberFactory, import_codes
from tests.faults import runs
from tests.threads import are_waiting, at_once

pytestmark = pytest.mark.django_db(transaction=True)


def in_a_thread(work):
    """Start `work` on a connection of its own that PostgreSQL chooses as the victim; return thread and results."""
    results: list[object] = []

    def body():
        try:
            execute("SET deadlock_timeout = '100ms'")
            results.append(work())
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=body)
    thread.start()
    return thread, results


def test_a_grant_that_is_the_victim_is_tried_again_and_answers_as_if_nothing_had_been():
    """DESIGN 4, issue 3: it holds the segment and waits for its holding, whose writer wants the segment; no error."""
    member = MemberFactory()
    offer = ConfigOfferFactory(programme=member.programme, require_vouchers=True, repeat_policy="once_ever")
    import_codes(offer, 3)
    template = offer.templates.get()

    def grant():
        return door.grant(
            programme=member.programme,
            door=Source.API,
            instance="till",
            grant=Grant(template_id=template.pk, member_id=member.pk, reference="r-1"),
            actor=None,
            now=clock.now(),
        ).outcome.code

    with capture_logs() as logs:
        with transaction.atomic():
            execute("SET LOCAL deadlock_timeout = '30s'")
            Assignment.objects.create(
                member=member,
                config_offer=offer,
                revision=offer.current_revision,
                template=template,
                source=Source.SUPPORT,
                holding_key=0,
                rank=0,
                issued_at=clock.now(),
            )
            victim, results = in_a_thread(grant)
            assert are_waiting(1)
            # The victim holds the segment and waits for the holding: only its end lets this go on.
            execute("SELECT id FROM offers_vouchersegment WHERE bank_id = %s FOR UPDATE", [offer.voucher_bank.pk])
            transaction.set_rollback(True)
        victim.join(timeout=20)

    assert results == ["assigned"]
    assert [(log["event"], log["cause"]) for log in logs] == [("transaction.retried", "DeadlockDetected")]
    assert (Assignment.objects.count(), DoorEntry.objects.count()) == (1, 1)
    assert sum(segment.size - segment.cursor for segment in offer.voucher_bank.segments.all()) == 2


def test_a_chunk_that_is_the_victim_is_done_all_the_same(settings):
    """C-04, issue 3: somebody who locks two of a chunk's members in the other order; the run ends whole, at once."""
    run = runs.launched(20, repeat_policy="once_ever")
    execution.plan(run_id=run.pk, now=clock.now())
    chunk = run.chunks.get()

    def work():
        done = execution.do_next_chunk(run_id=run.pk, now=clock.now())
        return done, execution.finish(run_id=run.pk, now=clock.now())

    with capture_logs() as logs:
        with transaction.atomic():
            execute("SET LOCAL deadlock_timeout = '30s'")
            # The chunk's row is free to take, but marking it done will wait; the run's lock is what the chunk holds.
            execute("LOCK TABLE offers_audiencemember IN ACCESS EXCLUSIVE MODE")
            victim, results = in_a_thread(work)
            assert are_waiting(1)
            execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"mass assignment {run.pk}"])
        victim.join(timeout=20)

    assert results == [(True, True)]
    assert [log["event"] for log in logs] == ["transaction.retried"]
    chunk.refresh_from_db()
    assert (chunk.assigned, chunk.attempts, chunk.failure) == (20, 1, "")
    assert runs.counted(run) == (20, 20, 20)


def test_two_that_lock_the_same_rows_in_opposite_orders_both_end():
    """DESIGN 4: the retry is `in_transaction`'s own, whoever calls it."""
    first, second = MemberFactory.create_batch(2)
    both_have_one = threading.Barrier(2)

    def change(mine, other, city):
        attempts = []

        def work():
            attempts.append(1)
            Member.objects.filter(pk=mine.pk).update(city=city)
            if len(attempts) == 1:
                both_have_one.wait(timeout=20)
            Member.objects.filter(pk=other.pk).update(city=city)
            return len(attempts)

        return in_transaction(work)

    with capture_logs() as logs:
        attempts = at_once([lambda: change(first, second, "Riga"), lambda: change(second, first, "Cēsis")])

    assert sorted(attempts) == [1, 2]
    assert [log["cause"] for log in logs] == ["DeadlockDetected"]
    assert Member.objects.values("city").distinct().count() == 1
