"""Mails about runs, sent by Celery workers. Messages carry the row's id, may come twice, late or never."""

from celery import shared_task

from loyalty import clock
from loyalty.tasks import ringing
from offers.services import run_notification


def ring(run_id: int | None = None) -> None:
    """Have the mails sent that wait, of one run or of all, unless the broker is away."""
    for notification_id in run_notification.waiting(now=clock.now(), run_id=run_id):
        if not ringing.ring(send, notification_id):
            return


@shared_task(name="offers.tasks.run_notification.send", ignore_result=True)
def send(notification_id: int) -> None:
    """Send one mail, unless it was sent, is being sent, or was given up."""
    run_notification.send(notification_id=notification_id, now=clock.now())


@shared_task(name="offers.tasks.run_notification.sweep", ignore_result=True)
def sweep() -> None:
    """Ring for every mail that waits: its message was lost, its worker died, or its time to be tried again came."""
    ring()
