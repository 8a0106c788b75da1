"""Undoing runs in Celery workers (B-04, C-04). Messages carry the run's id, may come twice, late or never."""

import time

from celery import shared_task
from django.conf import settings

from loyalty import clock
from loyalty.tasks import ringing
from offers.services import mass_assignment_undo
from offers.tasks import run_notification
from offers.tasks.mass_assignment import TURN_SECONDS


def ring(run_id: int, *, messages: int | None = None) -> None:
    """Tell the workers that a run is to be undone."""
    ringing.ring(work, run_id, messages=settings.MASS_ASSIGNMENT_MESSAGES if messages is None else messages)


@shared_task(name="offers.tasks.mass_assignment_undo.work", ignore_result=True)
def work(run_id: int) -> None:
    """Take chunks back until there is none left or the turn is over."""
    turn_ends = time.monotonic() + TURN_SECONDS
    while mass_assignment_undo.do_next_chunk(run_id=run_id, now=clock.now()):
        if time.monotonic() > turn_ends:
            ring(run_id, messages=1)
            return
    mass_assignment_undo.finish(run_id=run_id, now=clock.now())
    run_notification.ring()


@shared_task(name="offers.tasks.mass_assignment_undo.sweep", ignore_result=True)
def sweep() -> None:
    """Ring again for every undo that should be going on and has nobody at it."""
    for run_id in mass_assignment_undo.waiting_runs(now=clock.now()):
        ring(run_id, messages=1)
