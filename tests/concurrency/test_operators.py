"""Several people at one run: who clicks twice, who pauses, resumes and cancels while others do (R9)."""

import random
import threading
import time
from collections import Counter

import pytest
from django.db import connection
from django.test import Client

from loyalty import clock
from loyalty.models import AuditEvent, Scope
from offers.models import Assignment, MassAssignment
from offers.selectors import mass_assignment as selector
from offers.selectors import voucher as bank_selectors
from offers.services import execution, mass_assignment
from tests.factories import ApiClientFactory, work
from tests.faults import runs
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
LOADS = [(600, 10), pytest.param(100_000, 1_000, marks=pytest.mark.chaos)]


@pytest.fixture
def planned(settings):
    def plan(members, chunk):
        settings.MASS_ASSIGNMENT_CHUNK = chunk
        run = runs.launched(members)
        assert execution.plan(run_id=run.pk, now=clock.now())
        run.refresh_from_db()
        return run

    return plan


def try_to(verb, run):
    """Return the state after it, or None where it could not be done now."""
    try:
        return verb(run=MassAssignment.objects.get(pk=run.pk), actor=None, now=clock.now()).state
    except mass_assignment.NotLaunchable:
        return None


@pytest.mark.parametrize(("members", "chunk"), LOADS)
def test_r9_two_operators_pause_and_resume_a_run_and_the_counts_add_up(members, chunk, planned, fault):
    """R9, S4-27: the bar never goes back and says 100 only at the end; a relaunch gives nothing more."""
    run = planned(members, chunk)
    over, shown = threading.Event(), []

    def operator(n):
        randomly = random.Random(n)
        while not over.is_set():
            try_to(mass_assignment.pause, run)
            time.sleep(randomly.uniform(0, 0.02))
            try_to(mass_assignment.resume, run)
            time.sleep(randomly.uniform(0, 0.1))

    def worker():
        while not over.is_set():
            if work(run).is_over:
                over.set()
            time.sleep(0.005)

    def watcher():
        while not over.is_set():
            seen = MassAssignment.objects.get(pk=run.pk)
            shown.append((selector.progress(run=seen, now=clock.now()), seen))
            time.sleep(0.01)

    at_once([worker, worker, lambda: operator(1), lambda: operator(2), watcher])

    run.refresh_from_db()
    assert (run.state, runs.counted(run)) == ("finished", (members,) * 3)
    assert not run.chunks.exclude(attempts=1).exists()
    percents = [progress.percent for progress, _ in shown]
    assert percents == sorted(percents)
    assert all(progress.done == members for progress, _ in shown if progress.percent == 100)
    moves = Counter(AuditEvent.objects.values_list("action", flat=True))
    assert moves["mass_assignment.paused"] == moves["mass_assignment.resumed"] > 0
    assert try_to(mass_assignment.launch, run) is None
    assert work(run).state == "finished"
    assert runs.counted(run) == (members,) * 3
    fault.counted(
        "two operators pausing and resuming all the while",
        before=f"{members:,} members and codes",
        after="{:,} assignments, {:,} members, {:,} codes".format(*runs.counted(run)),
    )


@pytest.mark.parametrize(("members", "chunk"), LOADS)
def test_r9_a_cancel_among_two_operators_and_workers_stops_the_run_for_good(members, chunk, planned, fault):
    """R9, D-05: within 5 s nothing more is given; what was given stays, and every other code is back."""
    run = planned(members, chunk)

    def worker():
        while not (now := work(run)).is_over and now.state != "cancelled":
            time.sleep(0.005)

    def operator():
        while try_to(mass_assignment.pause, run) or try_to(mass_assignment.resume, run):
            time.sleep(0.01)

    def cancel():
        while not run.chunks.filter(done_at__isnull=False).exists():
            time.sleep(0.005)
        began = time.monotonic()
        assert try_to(mass_assignment.cancel, run) == "cancelled"
        return time.monotonic() - began, Assignment.objects.count()

    *_, (seconds, given), other = at_once([worker, worker, operator, cancel, operator])
    assert other is None

    assert seconds < 5
    # The workers give a large run's codes back.
    work(run)
    run.refresh_from_db()
    assert (run.state, Assignment.objects.count()) == ("cancelled", given)
    assert 0 < given < members
    assert bank_selectors.codes_left(bank=run.config_offer.voucher_bank, now=clock.now()) == members - given
    assert try_to(mass_assignment.cancel, run) is None
    fault.counted(
        "a run cancelled among two operators and two workers",
        before=f"{members:,} members and codes",
        after=f"{given:,} assignments stay, {members - given:,} codes are back, after {seconds:.1f} s",
    )


def test_r9_a_double_click_of_twelve_launches_once(fault):
    """R9, S4-24: over HTTP; the others are told that it was launched already."""
    run = runs.launched(30)
    MassAssignment.objects.filter(pk=run.pk).update(state="draft", launched_at=None)
    AuditEvent.objects.filter(action="mass_assignment.launched").count()
    _, key = ApiClientFactory(programme=run.programme, scopes=[Scope.TARGETINGS])

    def click():
        return (
            Client(raise_request_exception=False)
            .post(f"/api/v1/mass-assignments/{run.pk}/launch", headers={"Authorization": f"Api-Key {key}"})
            .status_code
        )

    assert sorted(at_once([click] * 12)) == [200, *[409] * 11]
    assert work(run).state == "finished"
    assert runs.counted(run) == (30, 30, 30)
    connection.close()
