"""Telling the workers that something waits. Messages carry an id, may come twice, late or never."""

import structlog
from celery import Task
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


def ring(task: Task, key: int, *, messages: int = 1) -> bool:
    """Send the id to a task; say whether the broker took it. One that is away is logged: a sweeper rings again."""
    try:
        for _ in range(messages):
            task.apply_async([key], retry=False)
    except (BrokerError, RedisError, OSError) as error:
        log.warning("task.not_rung", task=task.name, id=key, error=str(error))
        return False
    return True
