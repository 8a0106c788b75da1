"""The outbox: events are rows of the change's own transaction; the relay gives them gapless positions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from loyalty.database import rows
from loyalty.models import OutboxEvent, Programme

# Any two processes that relay agree on this number; the lock ends with their transaction.
RELAY_LOCK = 7_201_001


def write(
    *,
    programme: Programme,
    type: str,
    config_offer_id: int | None = None,
    assignment_ids: Sequence[UUID] = (),
    is_synchronized: bool | None = None,
    data: Mapping[str, Any] | None = None,
) -> OutboxEvent:
    """Write one event in the caller's transaction, after the change that it tells."""
    return OutboxEvent.objects.create(
        programme=programme,
        type=type,
        config_offer_id=config_offer_id,
        assignment_ids=list(assignment_ids),
        size=len(assignment_ids),
        is_synchronized=is_synchronized,
        data=dict(data or {}),
    )


def relay(*, limit: int = 1000) -> int:
    """Stamp up to `limit` waiting events with the next positions and return how many.

    Call in a transaction. Only the holder of the advisory lock stamps, so positions are gapless and follow commit
    visibility; a second relay at the same time does nothing and returns 0. Safe to run twice.
    """
    stamped = (
        rows(
            """
        WITH waiting AS (
            SELECT id, row_number() OVER (ORDER BY id) AS n
              FROM loyalty_outboxevent
             WHERE position IS NULL
             ORDER BY id
             LIMIT %(limit)s
        ), last AS (SELECT coalesce(max(position), 0) AS position FROM loyalty_outboxevent)
        UPDATE loyalty_outboxevent AS event
           SET position = last.position + waiting.n
          FROM waiting, last
         WHERE event.id = waiting.id
        RETURNING event.id
        """,
            {"limit": limit},
        )
        if rows("SELECT pg_try_advisory_xact_lock(%s) AS got", [RELAY_LOCK])[0]["got"]
        else []
    )
    return len(stamped)
