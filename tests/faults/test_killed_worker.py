"""Workers killed with SIGKILL in the middle of a run, at random and at named points: the next ones end it exactly."""

import random
import time

import pytest

from loyalty import clock
from offers.services import execution
from tests.fault_table import Fault
from tests.faults import killing, runs

pytestmark = pytest.mark.django_db(transaction=True)

CHUNK = 1_000
# Where a worker dies: a function of `execution` (or of what it calls), and before or after it.
POINTS = {
    "taken, nothing done yet": ("_do_chunk", "before"),
    "run locked, chunk not yet": ("audience.obstacle", "after"),
    "about to assign": ("assignment.assign_chunk", "before"),
    "assigned, not marked done, not committed": ("assignment.assign_chunk", "after"),
    "committed": ("chunk.in_transaction", "after"),
    "about to finish": ("finish", "before"),
    "leftovers given back, not committed": ("reservation.release", "after"),
}


def _worker(run_id: int, point: str | None, call: int):
    return killing.worker(
        lambda: execution.run_to_end(run_id=run_id, clock=clock.now),
        owner=execution,
        point=POINTS[point] if point else None,
        call=call,
    )


def run_under_fire(*, members: int, kills: int, settings, fault: Fault) -> tuple[int, int, int]:
    """Kill a worker `kills` times, every second time at a named point; return the run's rows, members and codes."""
    settings.MASS_ASSIGNMENT_CHUNK = CHUNK
    settings.MASS_ASSIGNMENT_LEASE_SECONDS = 1
    settings.MASS_ASSIGNMENT_ATTEMPTS = 50
    run = runs.launched(members)
    execution.plan(run_id=run.pk, now=clock.now())
    randomly = random.Random(20_261_122)
    points = list(POINTS)
    killed = 0
    while killed < kills:
        point = points[killed // 2 % len(points)] if killed % 2 == 0 else None
        # The last points come with the last chunk only, so a worker that outlives its point dies at random.
        workers = [_worker(run.pk, each, randomly.randint(1, 3)) for each in (point, None)]
        killed += killing.kill_all(workers, after=randomly.uniform(0.3, 0.9))
        run.refresh_from_db()
        fault.say(f"{killed} of {kills} workers killed, {runs.counted(run)[0]:,} of {members:,} assigned")
        if run.state != "running":
            break
    deadline = time.monotonic() + 120
    while run.state == "running" and time.monotonic() < deadline:
        execution.run_to_end(run_id=run.pk, clock=clock.now)
        run.refresh_from_db()
        time.sleep(0.2)
    assert run.state == "finished"
    assert killed >= kills
    return runs.counted(run)


def test_a_run_whose_workers_are_killed_ends_with_one_assignment_and_one_code_each(settings, fault):
    """R4 (small load), B-01, C-04: 20,000 members, two workers killed six times."""
    assert run_under_fire(members=20_000, kills=6, settings=settings, fault=fault) == (20_000,) * 3


@pytest.mark.chaos
def test_a_large_run_whose_workers_are_killed_ends_with_one_assignment_and_one_code_each(settings, fault):
    """R4 (full load), issue 3: 200,000 members, workers killed twenty times, at named points and at random."""
    found = run_under_fire(members=200_000, kills=20, settings=settings, fault=fault)
    assert found == (200_000,) * 3
    fault.counted(
        "workers killed 20 times, at named points and at random †",
        before="200,000 members and codes",
        after="{:,} assignments, {:,} members, {:,} codes".format(*found),
    )


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_named_point_loses_nothing(point, settings):
    """R4, C-04, issue 3: each point of a chunk's and of a run's end, hit for certain."""
    settings.MASS_ASSIGNMENT_CHUNK = 10
    settings.MASS_ASSIGNMENT_LEASE_SECONDS = 0
    run = runs.launched(30, codes=40)
    execution.plan(run_id=run.pk, now=clock.now())
    call = 1 if POINTS[point][0] in ("finish", "reservation.release") else 2
    assert killing.ends_killed(_worker(run.pk, point, call))
    run.refresh_from_db()
    assert run.state == "running"
    assert runs.counted(run)[0] < 30 or POINTS[point][0] in ("finish", "reservation.release")

    execution.run_to_end(run_id=run.pk, clock=clock.now)

    run.refresh_from_db()
    assert (run.state, runs.counted(run)) == ("finished", (30, 30, 30))
