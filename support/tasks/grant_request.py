from celery import shared_task

from loyalty import clock
from support.services import grant_request


@shared_task(ignore_result=True)
def expire() -> None:
    """Close grants that waited too long for a second person."""
    grant_request.expire(now=clock.now())
