from celery import shared_task

from loyalty import clock
from loyalty.services import idempotency


@shared_task(ignore_result=True)
def forget_old() -> None:
    idempotency.forget_old(now=clock.now())
