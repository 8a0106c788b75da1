"""Members' tokens: signed with Ed25519, at most fifteen minutes, never more than one member's.

The app's own backend signs a member in, and asks for a token with its key; staff who look at a member's pages "as she
sees it" get a real one that names them as its actor.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from loyalty.errors import DomainError
from loyalty.models import Member, User
from loyalty.services import audit

ISSUER = "laurel"
AUDIENCE = "laurel-member"
ALGORITHM = "EdDSA"


class InvalidToken(DomainError):
    """The token is not one of ours, or is over; the message says which, and what to do."""

    code = "invalid_token"
    status = 401


@dataclass(frozen=True, slots=True)
class Claims:
    """Who a token speaks for. `actor_id` is the staff person who looks on; she may change nothing."""

    member_id: int
    programme_id: int
    actor_id: int | None
    expires_at: datetime


def mint(*, member: Member, now: datetime, actor: User | None = None) -> str:
    """Return a token for the member; with an actor it is a staff person's view of her, and audited.

    Raises InvalidToken for a member who is not active.
    """
    if member.status != Member.Status.ACTIVE:
        raise InvalidToken("This member is not active, so nobody can be signed in as her.", code="member_inactive")
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(member.pk),
        "programme": member.programme_id,
        "iat": now,
        "exp": now + timedelta(seconds=settings.MEMBER_TOKEN_SECONDS),
    }
    if actor is not None:
        claims["act"] = {"sub": str(actor.pk)}
        audit.record(action="member.viewed_as", actor=actor, programme=member.programme, target=member)
    return jwt.encode(claims, settings.MEMBER_TOKEN_KEY, algorithm=ALGORITHM)


def verify(*, token: str, now: datetime) -> Claims:
    """Return whom a token speaks for at `now`; raises InvalidToken. Asks nothing of the database."""
    claims = _read(token, settings.MEMBER_TOKEN_KEY)
    if claims.expires_at <= now:
        raise InvalidToken("This token is over. Ask for a new one.", code="token_expired")
    return claims


@lru_cache(maxsize=4096)
def _read(token: str, key: str) -> Claims:
    # A client sends the same token with every request of its quarter of an hour: its signature is checked once
    # a process. Its end is not part of what is remembered.
    try:
        found = jwt.decode(
            token,
            _public(key),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False},
        )
        lifetime = int(found["exp"]) - int(found["iat"])
        actor = found.get("act")
        claims = Claims(
            member_id=int(found["sub"]),
            programme_id=int(found["programme"]),
            actor_id=int(actor["sub"]) if actor else None,
            expires_at=datetime.fromtimestamp(int(found["exp"]), tz=UTC),
        )
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidToken("This token is not one of ours. Sign in again.") from error
    if lifetime > settings.MEMBER_TOKEN_SECONDS:
        raise InvalidToken("This token lasts longer than tokens may. Ask for a new one.")
    return claims


@lru_cache(maxsize=4)
def _public(key: str) -> Any:
    return load_pem_private_key(key.encode(), password=None).public_key()
