"""The relay's task: rung by beat; ringing it twice is harmless."""

from celery import shared_task

from loyalty.database import in_transaction
from loyalty.services import outbox


@shared_task(name="loyalty.tasks.outbox.relay", ignore_result=True)
def relay() -> None:
    """Stamp everything that waits, in transactions of a thousand."""
    while in_transaction(lambda: outbox.relay(limit=1000)) == 1000:
        pass
