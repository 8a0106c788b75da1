from celery import shared_task

from loyalty import clock
from support.services import grant_batch_decision, grant_request


@shared_task(ignore_result=True)
def expire() -> None:
    """Close grants, and sets of them, that waited too long for a second person."""
    now = clock.now()
    grant_request.expire(now=now)
    grant_batch_decision.expire(now=now)
