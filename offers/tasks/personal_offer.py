"""Imports of personal offers in Celery workers. Messages carry the import's id, may come twice, late or never."""

import time

from celery import shared_task

from loyalty import clock
from loyalty.tasks import ringing
from offers.services import personal_offer_dropping, personal_offer_work

# A worker turns to the next message after so long, so that imports and runs share the workers.
TURN_SECONDS = 20


def ring(upload_id: int) -> None:
    """Tell the workers that an import waits."""
    ringing.ring(work, upload_id)


@shared_task(name="offers.tasks.personal_offer.work", ignore_result=True)
def work(upload_id: int) -> None:
    """Check the import if it waits for that, or do its rows until there is none left or the turn is over."""
    turn_ends = time.monotonic() + TURN_SECONDS
    personal_offer_work.check(upload_id=upload_id, now=clock.now())
    while personal_offer_work.do_next_chunk(upload_id=upload_id, now=clock.now()):
        if time.monotonic() > turn_ends:
            ring(upload_id)
            return


@shared_task(name="offers.tasks.personal_offer.sweep", ignore_result=True)
def sweep() -> None:
    """Ring again for every import that should be going on and has nobody at it."""
    for upload_id in personal_offer_work.waiting(now=clock.now()):
        ring(upload_id)


@shared_task(name="offers.tasks.personal_offer.drop_old", ignore_result=True)
def drop_old() -> None:
    """Drop the imports that waited too long to be committed, until none is left or the turn is over."""
    turn_ends = time.monotonic() + TURN_SECONDS
    while time.monotonic() < turn_ends and personal_offer_dropping.drop_next(now=clock.now()):
        pass
