"""Mass assignments in Celery workers (C-04). Messages carry the run's id, may come twice, late or never."""

import time

from celery import shared_task
from django.conf import settings

from loyalty import clock
from loyalty.tasks import ringing
from offers.models import MassAssignment
from offers.services import execution, limit_counting, planning, run_schedule, turn, waiting
from offers.tasks import run_notification

# A worker turns to the next message after so long: other tasks wait in the same queue.
TURN_SECONDS = 20


def ring(run_id: int, *, messages: int = 1) -> None:
    """Tell the workers that a run waits."""
    ringing.ring(work, run_id, messages=messages)


@shared_task(name="offers.tasks.mass_assignment.work", ignore_result=True)
def work(run_id: int) -> None:
    """Plan the run if it waits for that, then do chunks, of whichever run's turn it is, until none is left.

    After each chunk a run that was launched meanwhile is planned, so that it need not wait for a huge one's end.
    """
    turn_ends = time.monotonic() + TURN_SECONDS
    _plan(run_id)
    while turn.take(now=clock.now()) is not None:
        if time.monotonic() > turn_ends:
            ring(run_id)
            return
        if waiting := turn.next_to_plan(now=clock.now()):
            _plan(waiting)
    execution.finish(run_id=run_id, now=clock.now())
    run_notification.ring()


def _plan(run_id: int) -> None:
    if execution.plan(run_id=run_id, now=clock.now()):
        # The planner is one worker; the others come for the chunks.
        ring(run_id, messages=settings.MASS_ASSIGNMENT_MESSAGES - 1)


@shared_task(name="offers.tasks.mass_assignment.sweep", ignore_result=True)
def sweep() -> None:
    """Ring again for every run that should be going on and has nobody at it; count for limits that were left behind."""
    now = clock.now()
    limit_counting.count_left_behind(now=now)
    run_schedule.make_due(now=now)
    waiting.wake(now=now)
    scheduled = planning.plannable(now=now)
    running = MassAssignment.objects.filter(state=MassAssignment.State.RUNNING).exclude(
        chunks__done_at__isnull=True, chunks__leased_until__gte=now
    )
    # A done or failed chunk keeps no lease, so a lease in the future is somebody at work.
    leftovers = MassAssignment.objects.filter(
        state=MassAssignment.State.CANCELLED, reservations__released_at__isnull=True, reservations__isnull=False
    )
    ids = [found.values_list("pk", flat=True) for found in (scheduled, running, leftovers)]
    for run_id in ids[0].union(*ids[1:]):
        ring(run_id)
