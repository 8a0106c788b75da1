"""Writing the desk's ledger: a row per grant, in the grant's transaction, and one when it is taken back (B-05).

Whoever counts an allowance reads its sums under that allowance's lock (`support.services.allowance`); taking back only
makes more of it free, so it needs none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from loyalty.database import execute
from loyalty.models import Programme, User
from offers.models import Assignment, Source
from offers.models.grant_ledger import ticket_key

COLUMNS = """
    programme_id, at, day, agent_id, approved_by_id, member_id, config_offer_id, template_id, assignment_id,
    reason, ticket, ticket_key, note, n, exposure_minor, batch
"""
RECORD = f"""
    INSERT INTO offers_grantledgerentry ({COLUMNS})
    SELECT %(programme_id)s, %(now)s, (%(now)s AT TIME ZONE %(zone)s)::date, %(agent_id)s, %(approved_by_id)s,
           given.member_id, given.config_offer_id, given.template_id, given.id,
           %(reason)s, %(ticket)s, %(ticket_key)s, %(note)s, 1, given.exposure_minor, %(batch)s
      FROM offers_assignment AS given
     WHERE given.id = ANY(%(ids)s::uuid[])
     ORDER BY given.id
"""
# The grant is the first of the chain of reissues that ends with what is taken back.
TAKE_BACK = f"""
    WITH RECURSIVE chain AS (
        SELECT id, replaces_id FROM offers_assignment WHERE id = %(id)s
        UNION ALL
        SELECT before.id, before.replaces_id
          FROM chain JOIN offers_assignment AS before ON before.id = chain.replaces_id
    )
    INSERT INTO offers_grantledgerentry ({COLUMNS})
    SELECT programme_id, %(now)s, day, agent_id, approved_by_id, member_id, config_offer_id, template_id,
           assignment_id, reason, ticket, ticket_key, note, -1, -exposure_minor, batch
      FROM offers_grantledgerentry
     WHERE n = 1 AND assignment_id IN (SELECT id FROM chain)
        ON CONFLICT ON CONSTRAINT a_grant_is_counted_once_and_taken_back_once DO NOTHING
"""


# Of a set each assignment is its grant's own: what was reissued is not undone with it.
TAKE_BACK_BATCH = f"""
    INSERT INTO offers_grantledgerentry ({COLUMNS})
    SELECT programme_id, %(now)s, day, agent_id, approved_by_id, member_id, config_offer_id, template_id,
           assignment_id, reason, ticket, ticket_key, note, -1, -exposure_minor, batch
      FROM offers_grantledgerentry
     WHERE n = 1 AND assignment_id = ANY(%(ids)s::uuid[])
     ORDER BY assignment_id
        ON CONFLICT ON CONSTRAINT a_grant_is_counted_once_and_taken_back_once DO NOTHING
"""


@dataclass(frozen=True)
class Words:
    """Why it was granted: the reason's code, the ticket and a note."""

    reason: str
    ticket: str = ""
    note: str = ""


def record(
    *,
    programme: Programme,
    assignment_ids: Sequence[UUID],
    agent: User,
    words: Words,
    now: datetime,
    approved_by: User | None = None,
    batch: UUID | None = None,
) -> int:
    """Write a row for each of an agent's new assignments, in the caller's transaction; one statement for any number.

    Returns how many rows that were.
    """
    return execute(
        RECORD,
        {
            "programme_id": programme.pk,
            "zone": programme.timezone,
            "agent_id": agent.pk,
            "approved_by_id": approved_by.pk if approved_by else None,
            "ids": list(assignment_ids),
            "reason": words.reason,
            "ticket": words.ticket,
            "ticket_key": ticket_key(words.ticket),
            "note": words.note,
            "batch": batch,
            "now": now,
        },
    )


def take_back(*, held: Assignment, now: datetime) -> None:
    """Write the counter-row of an assignment that is being revoked or undone, if a grant of the desk stands behind it.

    Its row is locked. Most assignments came through other doors and replace nothing: those cost no statement.
    """
    if held.source == Source.SUPPORT or held.replaces_id is not None:
        execute(TAKE_BACK, {"id": held.pk, "now": now})


def take_back_batch(*, assignment_ids: Sequence[UUID], now: datetime) -> int:
    """Write the counter-rows of a set's grants that are being undone together; one statement for any number."""
    return execute(TAKE_BACK_BATCH, {"ids": list(assignment_ids), "now": now})
