"""Workers killed with SIGKILL in the middle of a run: the next ones end it exactly."""

import multiprocessing
import os
import random
import signal
import time

import pytest
from django.db import connection

from loyalty import clock
from loyalty.database import execute, rows
from offers.models import Assignment
from offers.services import execution, mass_assignment
from tests.factories import ConfigOfferFactory, ProgrammeFactory, TargetingFactory

pytestmark = pytest.mark.django_db(transaction=True)

CHUNK = 1_000


def _worker(database: str, run_id: int) -> None:
    """What a Celery process does with a run, in a process that can be killed."""
    import django

    django.setup()
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database
    settings.MASS_ASSIGNMENT_LEASE_SECONDS = 1
    settings.MASS_ASSIGNMENT_ATTEMPTS = 50
    while execution.do_next_chunk(run_id=run_id, now=clock.now()):
        pass
    execution.finish(run_id=run_id, now=clock.now())


def _plant(programme, offer, count):
    execute(
        """
        INSERT INTO loyalty_member
               (programme_id, external_id, first_name, last_name, email, phone, email_key, phone_key, gender, language,
                timezone, city, country, tier, status, attributes, created_at, updated_at)
        SELECT %s, 'M' || n, '', '', '', '', '', '', '', '', '', '', '', '', 'active', '{}', now(), now()
          FROM generate_series(1, %s) AS n
        """,
        [programme.pk, count],
    )
    segment = offer.voucher_bank.segments.create(size=count)
    execute(
        """
        INSERT INTO offers_vouchercode (bank_id, segment_id, position, code, origin)
        SELECT %s, %s, n - 1, 'C' || n, 1 FROM generate_series(1, %s) AS n
        """,
        [offer.voucher_bank.pk, segment.pk, count],
    )


def run_under_fire(*, members: int, kills: int, settings) -> tuple[int, int]:
    """Kill two workers' processes `kills` times at random moments; return (assignments, distinct codes)."""
    settings.MASS_ASSIGNMENT_CHUNK = CHUNK
    settings.MASS_ASSIGNMENT_LEASE_SECONDS = 1
    settings.MASS_ASSIGNMENT_ATTEMPTS = 50
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    _plant(programme, offer, members)
    run = mass_assignment.create(
        programme=programme, template=offer.templates.get(),
        targeting_version=TargetingFactory(programme=programme).current_version,
        name="", campaign=None, terms={}, rank=None, actor=None, now=clock.now(),
    )  # fmt: skip
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.plan(run_id=run.pk, now=clock.now())
    database = connection.settings_dict["NAME"]
    # A fork keeps this process's open connection: close it first, each child opens its own.
    connection.close()
    context = multiprocessing.get_context("fork")
    randomly = random.Random(20_261_122)
    for _ in range(kills):
        workers = [context.Process(target=_worker, args=(database, run.pk)) for _ in range(2)]
        for worker in workers:
            worker.start()
        time.sleep(randomly.uniform(0.05, 0.4))
        for worker in workers:
            if worker.is_alive():
                os.kill(worker.pid, signal.SIGKILL)
            worker.join()
    deadline = time.monotonic() + 120
    run.refresh_from_db()
    while run.state == "running" and time.monotonic() < deadline:
        _worker_here(run.pk)
        run.refresh_from_db()
        time.sleep(0.2)
    assert run.state == "finished"
    [counted] = rows("SELECT count(*) AS n, count(DISTINCT member_id) AS members, "
                     "count(DISTINCT voucher_code_id) AS codes FROM offers_assignment")  # fmt: skip
    assert counted["n"] == counted["members"]
    [told] = rows("SELECT sum(size)::bigint AS n FROM loyalty_outboxevent WHERE type = 'assignment.created'")
    assert told["n"] == counted["n"]
    return counted["n"], counted["codes"]


def _worker_here(run_id: int) -> None:
    while execution.do_next_chunk(run_id=run_id, now=clock.now()):
        pass
    execution.finish(run_id=run_id, now=clock.now())


def test_a_run_whose_workers_are_killed_ends_with_one_assignment_and_one_code_each(settings):
    """R4 (small load), B-01, C-04: 20,000 members, two workers killed three times."""
    assert run_under_fire(members=20_000, kills=3, settings=settings) == (20_000, 20_000)
    assert not Assignment.objects.filter(voucher_code__isnull=True).exists()


@pytest.mark.chaos
def test_a_large_run_whose_workers_are_killed_ends_with_one_assignment_and_one_code_each(settings):
    """R4 (full load): 200,000 members, two workers killed ten times."""
    assert run_under_fire(members=200_000, kills=10, settings=settings) == (200_000, 200_000)
