"""Taking back what an agent gave to many together, a moment ago: all that nobody used, in a fixed number of statements.

As `revocation.undo` for one, and as a run's undo for a chunk (B-04, B-05, D-10).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from loyalty.database import execute, rows
from loyalty.models import Programme, User
from offers.models import ConfigOffer, Source
from offers.models.limit import day_of
from offers.services import grant_ledger, limit, voucher_tape
from offers.services.mass_assignment_undo_statements import CHANGES, TAKEN

# In the order of their ids, as whoever locks several assignments; what commits before is seen by the next statement.
LOCK = (
    "SELECT count(*) FROM (SELECT id FROM offers_assignment WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE) x"
)
_GIVEN = "FROM offers_assignment AS held WHERE held.id = ANY(%(ids)s::uuid[])"
TAKE_BACK = f"""
    WITH {TAKEN.format(given=_GIVEN)}, noted AS (
        INSERT INTO offers_assignmentevent (assignment_id, at, verb, source, actor_id, data)
        SELECT id, %(now)s, 'undone', %(source)s, %(actor_id)s,
               {CHANGES} || jsonb_build_object('reason', 'undone')
          FROM judged
         WHERE result = 'revoked'
         ORDER BY id
    ), told AS (
        -- At most a thousand ids each, as assigning tells them.
        INSERT INTO loyalty_outboxevent
               (programme_id, type, config_offer_id, assignment_ids, is_synchronized, size, data)
        SELECT %(programme_id)s, 'assignment.revoked', %(config_offer_id)s, array_agg(id ORDER BY id),
               synchronized_at IS NOT NULL, count(*), jsonb_build_object('verb', 'undone', 'reason', 'undone')
          FROM (SELECT judged.*, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part
                  FROM judged WHERE result = 'revoked') AS numbered
         GROUP BY synchronized_at IS NOT NULL, part
    )
    SELECT id, result, exposure_minor, CASE WHEN fate = 'returned' THEN code_id END AS code_id FROM judged ORDER BY id
"""


@dataclass(frozen=True)
class Undone:
    """What became of each: `undone`, or why it stays: redeemed, used_up, closed, expired, revoked_before."""

    results: dict[UUID, str]
    codes_returned: int

    @property
    def taken(self) -> list[UUID]:
        return [key for key, result in self.results.items() if result == "undone"]


def undo(
    *,
    programme: Programme,
    offer: ConfigOffer,
    assignment_ids: Sequence[UUID],
    given_at: datetime,
    actor: User,
    now: datetime,
) -> Undone:
    """Take back those of one offer's assignments that nobody used, in the caller's transaction.

    Rows, events, outbox, the offer's limit, the ledger and the codes that nobody saw go with them. `given_at` is the
    moment of the set. Lock order: the assignments in the order of their ids, the limit, then the codes that go back.
    """
    parameters = {
        "ids": list(assignment_ids),
        "programme_id": programme.pk,
        "config_offer_id": offer.pk,
        "source": int(Source.SUPPORT),
        "actor_id": actor.pk,
        "now": now,
        "moment": now.isoformat(),
    }
    execute(LOCK, parameters)
    found = rows(TAKE_BACK, parameters)
    revoked = [row for row in found if row["result"] == "revoked"]
    if revoked:
        limits = limit.lock(offer_ids=[offer.pk], campaign_ids=[])
        if limits:
            day, spent = day_of(given_at, programme.zone), sum(row["exposure_minor"] for row in revoked)
            limit.move({one.pk: (-len(revoked), -spent) for one in limits}, {one.pk: day for one in limits})
        grant_ledger.take_back_batch(assignment_ids=[row["id"] for row in revoked], now=now)
    code_ids = [row["code_id"] for row in revoked if row["code_id"] is not None]
    returned = voucher_tape.give_back(code_ids=code_ids) if code_ids else 0
    results = {row["id"]: "undone" if row["result"] == "revoked" else row["result"] for row in found}
    return Undone(results, returned)
