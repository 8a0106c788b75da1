"""Workers killed with SIGKILL while they undo a run: the next ones end it exactly (B-04, C-04)."""

import random
import time

import pytest

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent
from offers.selectors import mass_assignment_undo as selectors
from offers.selectors import voucher as bank_selectors
from offers.services import assignment_verbs, execution, mass_assignment_undo
from tests.factories import redeem
from tests.faults import killing, runs

pytestmark = pytest.mark.django_db(transaction=True)

POINTS = {
    "taken, nothing done yet": ("_do_chunk", "before"),
    "run and chunk locked": ("take_back_chunk", "before"),
    "rows taken back, limits and codes not yet": ("voucher_tape.give_back", "before"),
    "all taken back, not marked done, not committed": ("take_back_chunk", "after"),
    "committed": ("chunks.in_transaction", "after"),
    "about to finish": ("finish", "before"),
    "leftovers given back, not committed": ("reservation.release", "after"),
}


def _worker(run_id: int, point: str | None, call: int):
    return killing.worker(
        lambda: mass_assignment_undo.run_to_end(run_id=run_id, clock=clock.now),
        owner=mass_assignment_undo,
        point=POINTS[point] if point else None,
        call=call,
    )


def _undoing(members: int, *, chunk: int, lease: int, settings):
    settings.MASS_ASSIGNMENT_CHUNK = chunk
    settings.MASS_ASSIGNMENT_LEASE_SECONDS = lease
    settings.MASS_ASSIGNMENT_ATTEMPTS = 50
    run = execution.run_to_end(run_id=runs.launched(members).pk, clock=clock.now)
    held = list(Assignment.objects.order_by("pk")[:8])
    for one in held[:3]:
        redeem(one)
    for one in held[3:]:
        assignment_verbs.expose(member_id=one.member_id, assignment_id=one.pk, now=clock.now())
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    return run


def _assert_undone(run, members: int) -> None:
    counts = selectors.report(run=run).counts
    assert (counts.revoked, counts.redeemed, counts.burned, counts.returned) == (members - 3, 3, 5, members - 8)
    assert Assignment.objects.filter(revoked_at__isnull=True).count() == 3
    assert AssignmentEvent.objects.filter(verb="undone").count() == members - 3
    told = OutboxEvent.objects.filter(type="assignment.revoked").values_list("size", flat=True)
    assert sum(told) == members - 3
    assert bank_selectors.codes_left(bank=run.config_offer.voucher_bank, now=clock.now()) == members - 8


@pytest.mark.parametrize("point", POINTS)
def test_b_04_a_worker_killed_at_a_named_point_of_an_undo_loses_nothing_and_doubles_nothing(point, settings):
    run = _undoing(30, chunk=10, lease=0, settings=settings)
    call = 1 if POINTS[point][0] in ("finish", "reservation.release") else 2
    assert killing.ends_killed(_worker(run.pk, point, call))
    run.refresh_from_db()
    assert run.state == "undoing"
    # The sweeper finds it, and whoever comes next ends it.
    assert mass_assignment_undo.waiting_runs(now=clock.now()) == [run.pk]
    assert mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now).state == "undone"
    _assert_undone(run, 30)


def test_b_04_an_undo_whose_workers_are_killed_at_random_takes_each_back_once(settings):
    """B-04 (kill -9): 10,000 members, two workers at a time killed six times."""
    run = _undoing(10_000, chunk=500, lease=1, settings=settings)
    randomly = random.Random(20_261_122)
    killed = 0
    while killed < 6 and run.state == "undoing":
        workers = [_worker(run.pk, each, randomly.randint(1, 2)) for each in (list(POINTS)[killed % 5], None)]
        killed += killing.kill_all(workers, after=randomly.uniform(0.1, 0.3))
        run.refresh_from_db()
    assert killed >= 6
    deadline = time.monotonic() + 60
    while run.state == "undoing" and time.monotonic() < deadline:
        run = mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)
        time.sleep(0.1)
    assert run.state == "undone"
    _assert_undone(run, 10_000)
