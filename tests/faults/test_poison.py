"""A chunk that kills whoever takes it, and a web process that dies before it has rung (R7, R8, C-04)."""

import multiprocessing
import os
import signal

import pytest
from django.db import connection
from django.test import Client

from loyalty import clock
from loyalty.models import Scope
from offers.models import Assignment, MassAssignment
from offers.selectors import voucher as bank_selectors
from offers.services import assignment, execution, mass_assignment
from offers.tasks import mass_assignment as tasks
from tests.factories import (
    ApiClientFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    draft_run,
    import_codes,
)
from tests.faults import runs

pytestmark = pytest.mark.django_db(transaction=True)
CHUNKS, POISON = 50, 17


def in_a_child(work) -> int | None:
    """Run `work` in a process of its own, on this test's database, and return how it ended."""
    database = connection.settings_dict["NAME"]

    def body() -> None:
        import django

        django.setup()
        from django.conf import settings

        # Behind a browser's event loop the child finds another connection than the parent had.
        connection.close()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database
        work()

    connection.close()
    child = multiprocessing.get_context("fork").Process(target=body)
    child.start()
    child.join(timeout=60)
    return child.exitcode


def die(*_given, **_options) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_r8_a_poison_chunk_kills_three_workers_and_harms_no_other_chunk(settings, fault):
    """R8, S4-27, C-04: one of fifty; given up after three attempts, its codes back; retried when it is mended."""
    settings.MASS_ASSIGNMENT_CHUNK = 10
    settings.MASS_ASSIGNMENT_LEASE_SECONDS = 0
    run = runs.launched(10 * CHUNKS)
    execution.plan(run_id=run.pk, now=clock.now())

    def work() -> None:
        assign = assignment.assign_chunk

        def poisoned(*, parameters, **given):
            if parameters["chunk"] == POISON:
                die()
            return assign(parameters=parameters, **given)

        assignment.assign_chunk = poisoned
        execution.run_to_end(run_id=run.pk, clock=clock.now)

    deaths = 0
    while in_a_child(work) == -signal.SIGKILL:
        deaths += 1
        assert deaths <= 3

    run.refresh_from_db()
    assert (deaths, run.state) == (3, "finished_with_errors")
    assert list(run.chunks.filter(done_at__isnull=True).values_list("number", "attempts")) == [(POISON, 3)]
    assert not run.chunks.filter(done_at__isnull=False, assigned__lt=10).exists()
    # The three that died took others' chunks with them into no death.
    assert run.chunks.exclude(number=POISON).filter(attempts=1).count() == CHUNKS - 1
    assert runs.counted(run) == (490, 490, 490)
    assert bank_selectors.codes_left(bank=run.config_offer.voucher_bank, now=clock.now()) == 10
    given_up = runs.counted(run)

    mass_assignment.retry(run=run, actor=None, now=clock.now())
    assert execution.run_to_end(run_id=run.pk, clock=clock.now).state == "finished"
    assert runs.counted(run) == (500, 500, 500)
    fault.counted(
        "a chunk that kills each worker",
        before="500 members and codes, 50 chunks",
        after=f"{given_up[0]} assignments, 3 attempts, finished with errors; 500 after a retry",
    )


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.chaos)])
def test_r7_a_web_killed_between_commit_and_ringing_leaves_the_run_to_the_sweeper(rounds, monkeypatch, fault):
    """R7, C-04: launched and committed, nobody rung, the caller without an answer; the next sweep rings for each."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="unlimited")
    import_codes(offer, 3 * rounds)
    MemberFactory.create_batch(3, programme=programme)
    _, key = ApiClientFactory(programme=programme, scopes=[Scope.TARGETINGS])
    launched = [draft_run(offer) for _ in range(rounds)]
    rung = []

    def launch(run) -> None:
        tasks.ring = die
        Client().post(f"/api/v1/mass-assignments/{run.pk}/launch", headers={"Authorization": f"Api-Key {key}"})

    for run in launched:
        assert in_a_child(lambda run=run: launch(run)) == -signal.SIGKILL
    assert set(MassAssignment.objects.values_list("state", flat=True)) == {"scheduled"}
    assert not Assignment.objects.exists()

    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: rung.append(run_id))
    tasks.sweep()
    assert sorted(rung) == [run.pk for run in launched]
    for run_id in [*rung]:
        tasks.work(run_id)
    assert set(MassAssignment.objects.values_list("state", flat=True)) == {"finished"}
    assert Assignment.objects.values("voucher_code").distinct().count() == Assignment.objects.count() == 3 * rounds
    fault.counted(
        f"the web killed between commit and ringing, {rounds} times",
        before=f"{rounds} runs of 3 members",
        after=f"{rounds} rung by one sweep, {3 * rounds} assignments and codes",
    )
