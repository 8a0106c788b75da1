"""Counting in Valkey what may happen so often: atomic, because it is one script there.

DRF's own throttles read, then write, and let a burst of parallel requests through (django-rest-framework#8127). When
Valkey is away nobody is turned away: grants and lists go on, and the log says that nobody counts.

Of the first half of a rate a process takes a fortieth at a time and hands it out itself, which saves most requests the
way to Valkey; the second half is counted one by one. What a process took and did not hand out before the window ends is
lost to the caller: never more than half of her rate, however many processes there are.
"""

import threading
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
local taken = tonumber(redis.call('GET', KEYS[1]) or '0')
local block = tonumber(ARGV[2])
if taken * 2 >= tonumber(ARGV[3]) then block = 1 end
local count = redis.call('INCRBY', KEYS[1], block)
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1]), block}
"""
# Long enough that an outage does not cost each request a time-out, short enough to count again soon after it.
SECONDS_BETWEEN_TRIES = 5.0
# Until when nobody asks an absent Valkey; 0 while it is there.
_away_until = 0.0
BLOCKS = 40
# A process remembers this many callers' rests; the one that came first goes first.
REMEMBERED = 20_000


class _TakenBefore:
    """What this process may still hand out, by caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rests: dict[tuple[str, str], tuple[int, float]] = {}

    def hand_out(self, name: str, key: str) -> bool:
        with self._lock:
            left, ends = self._rests.pop((name, key), (0, 0.0))
            if left < 1 or time.monotonic() >= ends:
                return False
            if left > 1:
                self._rests[name, key] = (left - 1, ends)
            return True

    def keep(self, name: str, key: str, left: int, seconds: float) -> None:
        with self._lock:
            # Two threads may have asked at once: both rests are the caller's.
            other, ends = self._rests.pop((name, key), (0, 0.0))
            if time.monotonic() < ends:
                left += other
            self._rests[name, key] = (left, time.monotonic() + seconds)
            if len(self._rests) > REMEMBERED:
                del self._rests[next(iter(self._rests))]


_taken_before = _TakenBefore()


@dataclass(frozen=True, slots=True)
class Taken:
    is_allowed: bool
    # Until the window ends; what a refusal tells the caller to wait.
    seconds_left: float = 0.0


def take(*, name: str, key: str) -> Taken:
    """Count one more of `name` (a rate of settings.RATES) for the key, and say whether it was still within the rate."""
    global _away_until
    limit, seconds = settings.RATES[name]
    if _taken_before.hand_out(name, key):
        return Taken(is_allowed=True)
    if time.monotonic() < _away_until:
        return Taken(is_allowed=True)
    try:
        count, left, block = _script(settings.REDIS_URL)(
            keys=[f"rate:{name}:{key}"], args=[int(seconds * 1000), max(1, limit // BLOCKS), limit]
        )
    except redis.RedisError as error:
        if not _away_until:
            # Once an outage, not once a try.
            log.warning("rate_limit.not_counted", rate=name, error=type(error).__name__)
        _away_until = time.monotonic() + SECONDS_BETWEEN_TRIES
        return Taken(is_allowed=True)
    if _away_until:
        _away_until = 0.0
        log.info("rate_limit.counted_again")
    granted = min(block, limit - (count - block))
    if granted > 1:
        _taken_before.keep(name, key, granted - 1, max(left, 0) / 1000)
    return Taken(is_allowed=granted >= 1, seconds_left=max(left, 0) / 1000)


@lru_cache(maxsize=4)
def _script(url: str) -> Any:
    client = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
    return client.register_script(COUNT)
