"""Counting in Valkey what may happen so often: atomic, because it is one script there.

DRF's own throttles read, then write, and let a burst of parallel requests through (django-rest-framework#8127). When
Valkey is away nobody is turned away: grants and lists go on, and the log says that nobody counts.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

# One window a key, from the first request in it.
COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
# Long enough that an outage does not cost each request a time-out, short enough to count again soon after it.
SECONDS_BETWEEN_TRIES = 5.0
_away_until = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    is_allowed: bool
    # Until the window ends; what a refusal tells the caller to wait.
    seconds_left: float = 0.0


def take(*, name: str, key: str) -> Taken:
    """Count one more of `name` (a rate of settings.RATES) for the key, and say whether it was still within the rate."""
    global _away_until
    limit, seconds = settings.RATES[name]
    if time.monotonic() < _away_until:
        return Taken(is_allowed=True)
    try:
        count, left = _script(settings.REDIS_URL)(keys=[f"rate:{name}:{key}"], args=[int(seconds * 1000)])
    except redis.RedisError as error:
        _away_until = time.monotonic() + SECONDS_BETWEEN_TRIES
        log.warning("rate_limit.not_counted", rate=name, error=type(error).__name__)
        return Taken(is_allowed=True)
    return Taken(is_allowed=count <= limit, seconds_left=max(left, 0) / 1000)


@lru_cache(maxsize=4)
def _script(url: str) -> Any:
    client = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
    return client.register_script(COUNT)
