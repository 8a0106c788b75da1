"""A member on the web: who she is stands in the session, with an end of its own, beside staff's sign-in."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from loyalty.services.member_token import Claims

KEY = "member"


@dataclass(frozen=True, slots=True)
class MemberSession:
    member_id: int
    programme_id: int
    # The staff person who looks on; she changes nothing and sees no codes.
    actor_id: int | None


def begin(*, session: MutableMapping[str, Any], claims: Claims, now: datetime) -> None:
    """Sign the member of a verified token in; a staff person's view lasts no longer than her token."""
    ends_at = claims.expires_at if claims.actor_id else now + timedelta(seconds=settings.MEMBER_SESSION_SECONDS)
    session[KEY] = {
        "member": claims.member_id,
        "programme": claims.programme_id,
        "actor": claims.actor_id,
        "until": ends_at.timestamp(),
    }


def read(*, session: MutableMapping[str, Any], now: datetime) -> MemberSession | None:
    """Return who is signed in, if anyone still is."""
    kept = session.get(KEY)
    if not kept or kept["until"] <= now.timestamp():
        return None
    return MemberSession(kept["member"], kept["programme"], kept["actor"])


def is_over(*, session: MutableMapping[str, Any], now: datetime) -> bool:
    """Say whether someone was signed in and her time has passed."""
    return KEY in session and read(session=session, now=now) is None


def end(*, session: MutableMapping[str, Any]) -> None:
    """Sign the member out; a staff person who looked on stays signed in as herself."""
    session.pop(KEY, None)
