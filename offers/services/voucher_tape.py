"""The tape: drawing, reserving and giving back codes of a bank without rewriting code rows (DESIGN 4).

A segment's codes have dense positions; `cursor` is the next one. Whoever draws locks the bank's open segments first,
in the order of their ids, and looks only then.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from loyalty.database import ids_text, prepared_rows, rows

# The tail of a WITH list behind `need` (bank_id, n): draws what is there, earliest expiry first, and gives
# drawn (segment_id, bank_id, first_position, taken, before). Lock the banks in a statement before.
DRAW = """
open AS (
    SELECT segment.id, segment.bank_id, segment.size - segment.cursor AS available, need.n,
           sum(segment.size - segment.cursor) OVER (
               PARTITION BY segment.bank_id ORDER BY segment.expires_at NULLS LAST, segment.id
           ) - (segment.size - segment.cursor) AS before
      FROM need
     CROSS JOIN LATERAL (
            -- OFFSET 0: by the bank's index, whatever the planner knew when the statement was prepared.
            SELECT * FROM offers_vouchersegment AS one
             WHERE one.bank_id = need.bank_id
               AND one.cursor < one.size
               AND (one.expires_at IS NULL OR one.expires_at > %(now)s)
            OFFSET 0
           ) AS segment
), drawn AS (
    UPDATE offers_vouchersegment AS segment
       SET cursor = segment.cursor + least(open.available, open.n - open.before)
      FROM open
     WHERE segment.id = open.id
       AND open.before < open.n
    RETURNING segment.id AS segment_id, segment.bank_id, old.cursor AS first_position,
              new.cursor - old.cursor AS taken, open.before
)"""


LOCK = """
    SELECT FROM offers_vouchersegment
     WHERE bank_id = ANY(%(bank_ids)s::bigint[]) AND cursor < size AND (expires_at IS NULL OR expires_at > %(now)s)
     ORDER BY id
       FOR NO KEY UPDATE
"""


def lock(*, bank_ids: Sequence[int], now: datetime) -> None:
    """Lock the banks' open segments, in order, so that what follows sees the last word on them."""
    prepared_rows(LOCK, {"bank_ids": ids_text(bank_ids), "now": now})


def locked_left(*, bank_id: int, now: datetime) -> int:
    """Lock the bank's open segments and return how many codes are left: nobody draws one until the commit."""
    lock(bank_ids=[bank_id], now=now)
    found: int = rows(STOCK, {"bank_id": bank_id, "now": now})[0]["n"]
    return found


STOCK = """
    SELECT coalesce(sum(size - cursor), 0)::bigint AS n FROM offers_vouchersegment
     WHERE bank_id = %(bank_id)s AND (expires_at IS NULL OR expires_at > %(now)s)
"""


def reserve(*, run_id: int, bank_id: int, count: int, now: datetime, first_ordinal: int = 0) -> int:
    """Reserve `count` codes for a run, all or nothing, and return how many are missing (0: reserved). (S4-28)

    `count` ordinals of the run's frozen audience, from `first_ordinal` on, map to the reserved ranges in order.
    """
    lock(bank_ids=[bank_id], now=now)
    return rows(
        f"""
        WITH stock AS ({STOCK}), need AS (
            SELECT %(bank_id)s::bigint AS bank_id, %(count)s::bigint AS n FROM stock WHERE stock.n >= %(count)s
        ), {DRAW}, reserved AS (
            INSERT INTO offers_codereservation (run_id, segment_id, first_position, first_ordinal, size)
            SELECT %(run_id)s, segment_id, first_position, before + %(first_ordinal)s, taken FROM drawn WHERE taken > 0
        )
        SELECT greatest(%(count)s - n, 0)::bigint AS short FROM stock
        """,
        {"run_id": run_id, "bank_id": bank_id, "count": count, "now": now, "first_ordinal": first_ordinal},
    )[0]["short"]


def give_back(*, code_ids: Sequence[int]) -> int:
    """Put drawn codes that nobody got, and nobody saw, back as new segments; return how many. (D-10)"""
    return give_back_selected(codes="SELECT unnest(%(code_ids)s::bigint[])", parameters={"code_ids": list(code_ids)})


def give_back_selected(*, codes: str, parameters: Mapping[str, Any]) -> int:
    """The same for the ids that a SELECT names, so that a million of them stay in the database.

    Void codes stay where they are. Codes of an import that was undone go away, as its other codes did: the batch is
    read under a lock that whoever undoes it waits for, and its last word counts.
    """
    return rows(
        f"""
        WITH mine AS MATERIALIZED (
            SELECT code.id, code.bank_id, code.segment_id, code.position
              FROM offers_vouchercode AS code
             WHERE code.id IN ({codes}) AND code.voided_at IS NULL
             ORDER BY code.id
               FOR NO KEY UPDATE
        ), batch AS MATERIALIZED (
            SELECT id, undone_at FROM offers_voucherbatch
             WHERE id IN (
                SELECT segment.batch_id FROM offers_vouchersegment AS segment
                 WHERE segment.id IN (SELECT segment_id FROM mine)
             )
             ORDER BY id
               FOR KEY SHARE
        ), gone AS (
            DELETE FROM offers_vouchercode AS code
             USING mine JOIN offers_vouchersegment AS segment ON segment.id = mine.segment_id
                   JOIN batch ON batch.id = segment.batch_id AND batch.undone_at IS NOT NULL
             WHERE code.id = mine.id
            RETURNING batch.id AS batch_id
        ), counted AS (
            UPDATE offers_voucherbatch AS undone
               SET removed = undone.removed + gone.n
              FROM (SELECT batch_id, count(*) AS n FROM gone GROUP BY batch_id) AS gone
             WHERE undone.id = gone.batch_id
        ), back AS (
            SELECT mine.id, mine.bank_id, segment.batch_id, segment.expires_at, mine.segment_id,
                   row_number() OVER (PARTITION BY mine.segment_id ORDER BY mine.position) - 1 AS position
              FROM mine
              JOIN offers_vouchersegment AS segment ON segment.id = mine.segment_id
              LEFT JOIN batch ON batch.id = segment.batch_id
             WHERE batch.undone_at IS NULL
        ), numbered AS (
            SELECT segment_id AS old_id, nextval(pg_get_serial_sequence('offers_vouchersegment', 'id')) AS id,
                   bank_id, batch_id, expires_at, count(*) AS size
              FROM back GROUP BY segment_id, bank_id, batch_id, expires_at
        ), made AS (
            INSERT INTO offers_vouchersegment (id, bank_id, batch_id, expires_at, cursor, size)
            SELECT id, bank_id, batch_id, expires_at, 0, size FROM numbered
        ), returned AS (
            UPDATE offers_vouchercode AS code
               SET segment_id = numbered.id, position = back.position
              FROM back JOIN numbered ON numbered.old_id = back.segment_id
             WHERE code.id = back.id
            RETURNING code.id
        )
        SELECT (SELECT count(*) FROM returned) + (SELECT count(*) FROM gone) AS n
        """,
        parameters,
    )[0]["n"]
