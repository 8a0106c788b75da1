"""The undo of a run as it is shown: what it would take back, what it took back, and who keeps hers (B-04)."""

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from loyalty import patience
from loyalty.database import rows
from loyalty.models import OutboxEvent
from offers.models import KeptAssignment, MassAssignment, MassAssignmentUndo, MassAssignmentUndoChunk

# What becomes of each: only what nobody used, and what is still hers, is taken back.
RESULT = """
           CASE WHEN held.revoked_at IS NOT NULL THEN 'revoked_before'
                WHEN held.used_up_at IS NOT NULL THEN 'used_up'
                WHEN EXISTS (SELECT FROM offers_redemption AS used
                               WHERE used.assignment_id = held.id AND used.returned_at IS NULL) THEN 'redeemed'
                WHEN held.closed_at IS NOT NULL THEN 'closed'
                WHEN held.ends_at <= %(now)s THEN 'expired'
                ELSE 'revoked' END AS result
"""

# What becomes of its code (D-10): it goes back where nobody saw it, as `verb.unseen_code` decides for one assignment.
# OFFSET 0 looks each code up by its key.
CODE = """
      LEFT JOIN LATERAL (
            SELECT code.id, code.code,
                   CASE WHEN code.voided_at IS NOT NULL OR code.segment_id IS NULL THEN 'other'
                        WHEN {held}.exposed_at IS NOT NULL OR batch.exported_at IS NOT NULL THEN 'burned'
                        -- A till saw it, even where the use was given back.
                        WHEN EXISTS (SELECT FROM offers_redemption AS used WHERE used.assignment_id = {held}.id)
                             THEN 'burned'
                        ELSE 'returned' END AS fate
              FROM offers_vouchercode AS code
              LEFT JOIN offers_vouchersegment AS segment ON segment.id = code.segment_id
              LEFT JOIN offers_voucherbatch AS batch ON batch.id = segment.batch_id
             WHERE code.id = {held}.voucher_code_id
            OFFSET 0
           ) AS code ON {held}.result = 'revoked'
"""

# The same judgement for a whole run at once, writing nothing: what the confirmation says.
FORESEE = f"""
    WITH held AS (
        SELECT held.id, held.exposed_at, held.voucher_code_id, {RESULT}
          FROM offers_audiencemember AS audience
          JOIN offers_assignment AS held
            ON held.member_id = audience.member_id
           AND held.config_offer_id = %(config_offer_id)s
           AND held.run_id = %(run_id)s
         WHERE audience.run_id = %(run_id)s
           AND audience.ordinal IS NOT NULL
           AND audience.outcome IS NULL
    )
    SELECT result, fate, count(*) AS n
      FROM (SELECT held.result, code.fate FROM held {CODE.format(held="held")}) AS judged
     GROUP BY result, fate
"""


@dataclass(frozen=True)
class Counts:
    """What an undo would do now, or did: exact counts. `revoked` is taken back; the others stay, each for its reason.

    `returned`, `burned` and `other` are the codes of what is taken back: back in the bank; seen, and so spent; void or
    the till's own.
    """

    revoked: int = 0
    redeemed: int = 0
    used_up: int = 0
    closed: int = 0
    expired: int = 0
    revoked_before: int = 0
    returned: int = 0
    burned: int = 0
    other: int = 0

    @property
    def kept(self) -> int:
        """How many were used, and so cannot be taken back."""
        return self.redeemed + self.used_up

    @property
    def over_before(self) -> int:
        """How many were over before: closed, expired or revoked."""
        return self.closed + self.expired + self.revoked_before


@dataclass(frozen=True)
class Report:
    """An undo as it stands: counted from committed chunks only. `total` and `done` are assignments looked at."""

    undo: MassAssignmentUndo
    counts: Counts
    total: int
    done: int
    failed: list[MassAssignmentUndoChunk]

    @property
    def percent(self) -> int:
        """Whole percents, rounded down: 100 only when all is done."""
        return 100 if self.total == self.done else self.done * 100 // self.total


@patience.patient()
def foresee(*, run: MassAssignment, now: datetime) -> Counts:
    """Count what an undo of the run would do now, in one statement, without writing."""
    counts = {field.name: 0 for field in fields(Counts)}
    parameters = {"run_id": run.pk, "config_offer_id": run.config_offer_id, "now": now}
    for row in rows(FORESEE, parameters):
        counts[row["result"]] += row["n"]
        if row["fate"]:
            counts[row["fate"]] += row["n"]
    return Counts(**counts)


def totals(*, run_id: int) -> dict[str, int]:
    """Return what the chunks that were taken back counted together, by result."""
    found = rows(
        """
        SELECT key, sum(value::bigint)::bigint AS n
          FROM offers_massassignmentundochunk, jsonb_each_text(counts)
         WHERE undo_id = %s AND done_at IS NOT NULL
         GROUP BY key
        """,
        [run_id],
    )
    return {field.name: 0 for field in fields(Counts)} | {row["key"]: row["n"] for row in found}


def started_by(*, run_id: int) -> int | None:
    """Return who asked for the run's undo; None for a key, and where nobody did."""
    return MassAssignmentUndo.objects.filter(pk=run_id).values_list("started_by_id", flat=True).first()


def report(*, run: MassAssignment) -> Report | None:
    """Return the run's undo as far as it is, or None where nobody asked for one."""
    undo = MassAssignmentUndo.objects.select_related("started_by", "api_client").filter(pk=run.pk).first()
    if undo is None:
        return None
    [sums] = rows(
        """
        SELECT coalesce(sum(size), 0)::bigint AS total,
               coalesce(sum(size) FILTER (WHERE done_at IS NOT NULL), 0)::bigint AS done
          FROM offers_massassignmentundochunk WHERE undo_id = %s
        """,
        [run.pk],
    )
    failed = MassAssignmentUndoChunk.objects.filter(undo=undo, failed_at__isnull=False).order_by("number")
    return Report(undo, Counts(**totals(run_id=run.pk)), sums["total"], sums["done"], list(failed[:20]))


@dataclass(frozen=True)
class Kept:
    """A member whose offer could not be taken back, because she had used it."""

    member_id: int
    external_id: str
    assignment_id: UUID
    reason: str


def kept(*, run: MassAssignment, after: int = 0, size: int = 100) -> tuple[list[Kept], int | None]:
    """Return some of those who keep hers, in the order of members, and what begins the next page (None: the last)."""
    found = list(
        KeptAssignment.objects.filter(run=run, member__gt=after)
        .order_by("member_id", "assignment_id")
        .values_list("member_id", "member__external_id", "assignment_id", "reason")[: size + 1]
    )
    shown = [Kept(*values) for values in found[:size]]
    return shown, shown[-1].member_id if len(found) > size else None


def addressed(*, event: OutboxEvent, run: MassAssignment) -> list[UUID]:
    """Return the assignments that an undo's row of the outbox addresses by (run, chunk): those that it took back.

    They carry the row's moment as `revoked_at`, which nothing else in the chunk does, and were known to their till at
    that moment, or not, as the row says. (docs/events.md)
    """
    found = rows(
        """
        SELECT held.id
          FROM offers_massassignmentchunk AS chunk
          JOIN offers_audiencemember AS audience
            ON audience.run_id = chunk.run_id
           AND audience.member_id BETWEEN chunk.first_member_id AND chunk.last_member_id
          JOIN offers_assignment AS held
            ON held.member_id = audience.member_id
           AND held.config_offer_id = %(config_offer_id)s
           AND held.run_id = chunk.run_id
           AND held.revoked_at = %(revoked_at)s
           AND (held.synchronized_at IS NOT NULL) = %(is_synchronized)s
         WHERE chunk.run_id = %(run_id)s AND chunk.number = %(chunk)s
         ORDER BY held.id
        """,
        {
            "run_id": run.pk,
            "config_offer_id": run.config_offer_id,
            "chunk": event.chunk,
            "revoked_at": event.data["revoked_at"],
            "is_synchronized": event.is_synchronized,
        },
    )
    return [row["id"] for row in found]
