"""The tape of codes: none with two holders, none lost, and the number left is the truth (D-10, S4-20..22).

A segment's positions from `cursor` to `size - 1` are dense and nobody's. Below the cursor a position may be let go (its
code went back into a new segment); a code that is still there is held, reserved by a run, or void.
"""

from offers.selectors.integrity.check import Check, of

# A code that a run has reserved and not let go of.
_RESERVED = """EXISTS (
    SELECT FROM offers_codereservation AS reservation
     WHERE reservation.segment_id = code.segment_id
       AND reservation.released_at IS NULL
       AND code.position >= reservation.first_position
       AND code.position < reservation.first_position + reservation.size
)"""
_HELD = "EXISTS (SELECT FROM offers_assignment AS assignment WHERE assignment.voucher_code_id = code.id)"

# Codes that were made here and wait for their export lie behind an end that is still 0 (D-07).
_WAITING = """EXISTS (
    SELECT FROM offers_vouchersegment AS held JOIN offers_voucherbatch AS batch ON batch.id = held.batch_id
     WHERE held.id = code.segment_id
       AND batch.origin = 2 AND batch.exported_at IS NULL AND batch.undone_at IS NULL
)"""

CHECKS = [
    Check(
        "code_held_twice",
        "A code has at most one holder.",
        f"""
        SELECT assignment.voucher_code_id AS id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
         WHERE assignment.voucher_code_id IS NOT NULL AND {of("offer.programme_id")}
         GROUP BY assignment.voucher_code_id
        HAVING count(*) > 1
        """,
    ),
    Check(
        "code_of_another_bank",
        "An assignment's code comes from its own offer's bank.",
        f"""
        SELECT assignment.id
          FROM offers_assignment AS assignment
          JOIN offers_vouchercode AS code ON code.id = assignment.voucher_code_id
          JOIN offers_voucherbank AS bank ON bank.id = code.bank_id
         WHERE bank.config_offer_id <> assignment.config_offer_id AND {of("bank.programme_id")}
        """,
    ),
    Check(
        "bank_across_programmes",
        "A bank is of its offer's programme.",
        f"""
        SELECT bank.id
          FROM offers_voucherbank AS bank
          JOIN offers_configoffer AS offer ON offer.id = bank.config_offer_id
         WHERE offer.programme_id <> bank.programme_id AND {of("bank.programme_id")}
        """,
    ),
    Check(
        "code_out_of_place",
        "A bank's code has a position inside a segment of that bank; a till's code has none (D-12).",
        f"""
        SELECT code.id
          FROM offers_vouchercode AS code
          JOIN offers_voucherbank AS bank ON bank.id = code.bank_id
          LEFT JOIN offers_vouchersegment AS segment ON segment.id = code.segment_id
         WHERE {of("bank.programme_id")}
           AND CASE WHEN code.origin = 2 THEN code.segment_id IS NOT NULL OR code.position IS NOT NULL
                    ELSE segment.bank_id <> code.bank_id
                         OR code.voided_at IS NULL
                        AND (segment.id IS NULL OR code.position IS NULL
                             OR code.position >= segment.size AND NOT {_WAITING})
               END
        """,
    ),
    Check(
        "segment_not_dense",
        "From its cursor to its end a segment has a code at every position, none of them void.",
        f"""
        SELECT segment.id
          FROM offers_vouchersegment AS segment
          JOIN offers_voucherbank AS bank ON bank.id = segment.bank_id
          LEFT JOIN offers_vouchercode AS code
            ON code.segment_id = segment.id
           AND code.position >= segment.cursor AND code.position < segment.size
           AND code.voided_at IS NULL
         WHERE {of("bank.programme_id")}
         GROUP BY segment.id
        HAVING count(DISTINCT code.position) <> segment.size - segment.cursor
        """,
    ),
    Check(
        "position_used_twice",
        "A position of a segment holds one code.",
        f"""
        SELECT code.segment_id || '/' || code.position AS id
          FROM offers_vouchercode AS code
          JOIN offers_voucherbank AS bank ON bank.id = code.bank_id
         WHERE code.segment_id IS NOT NULL AND {of("bank.programme_id")}
         GROUP BY code.segment_id, code.position
        HAVING count(*) > 1
        """,
    ),
    Check(
        "undrawn_code_held",
        "Nobody holds a code that the bank is still going to give.",
        f"""
        SELECT code.id
          FROM offers_assignment AS assignment
          JOIN offers_vouchercode AS code ON code.id = assignment.voucher_code_id
          JOIN offers_vouchersegment AS segment ON segment.id = code.segment_id
          JOIN offers_voucherbank AS bank ON bank.id = code.bank_id
         WHERE code.position >= segment.cursor AND code.position < segment.size AND {of("bank.programme_id")}
        """,
    ),
    Check(
        "drawn_code_lost",
        "A drawn code is held, reserved by a run, or void: nobody's code is lost.",
        f"""
        SELECT code.id
          FROM offers_vouchercode AS code
          JOIN offers_vouchersegment AS segment ON segment.id = code.segment_id
          JOIN offers_voucherbank AS bank ON bank.id = code.bank_id
         WHERE code.position < segment.cursor
           AND code.voided_at IS NULL
           AND NOT {_HELD}
           AND NOT {_RESERVED}
           AND {of("bank.programme_id")}
        """,
    ),
    Check(
        "batch_lost_codes",
        "All codes that an import counted are there: undrawn, reserved, held, given back or void.",
        f"""
        SELECT batch.id
          FROM offers_voucherbatch AS batch
          JOIN offers_voucherbank AS bank ON bank.id = batch.bank_id
          LEFT JOIN (
                SELECT segment.batch_id, count(*) AS n
                  FROM offers_vouchercode AS code
                  JOIN offers_vouchersegment AS segment ON segment.id = code.segment_id
                 GROUP BY segment.batch_id
          ) AS found ON found.batch_id = batch.id
         WHERE batch.imported - batch.removed <> coalesce(found.n, 0) AND {of("bank.programme_id")}
        """,
    ),
    Check(
        "cursor_is_not_drawn",
        "A bank's codes less those held, reserved or void are what its cursors leave.",
        f"""
        SELECT bank.id
          FROM offers_voucherbank AS bank
          LEFT JOIN (
                SELECT bank_id, sum(size - cursor) AS n FROM offers_vouchersegment GROUP BY bank_id
          ) AS undrawn ON undrawn.bank_id = bank.id
          LEFT JOIN (
                SELECT code.bank_id, count(*) AS n
                  FROM offers_vouchercode AS code
                 WHERE code.origin = 1 AND code.voided_at IS NULL AND NOT {_HELD} AND NOT {_RESERVED}
                   AND NOT {_WAITING}
                 GROUP BY code.bank_id
          ) AS free ON free.bank_id = bank.id
         WHERE coalesce(undrawn.n, 0) <> coalesce(free.n, 0) AND {of("bank.programme_id")}
        """,
    ),
    Check(
        "reservation_not_drawn",
        "What a run has reserved lies before its segment's cursor.",
        f"""
        SELECT reservation.id
          FROM offers_codereservation AS reservation
          JOIN offers_vouchersegment AS segment ON segment.id = reservation.segment_id
          JOIN offers_voucherbank AS bank ON bank.id = segment.bank_id
         WHERE reservation.first_position + reservation.size > segment.cursor AND {of("bank.programme_id")}
        """,
    ),
    Check(
        "reservations_overlap",
        "A position is reserved once, ever: what comes back gets another.",
        f"""
        SELECT id
          FROM (
                SELECT reservation.id, reservation.first_position, bank.programme_id,
                       max(reservation.first_position + reservation.size) OVER (
                           PARTITION BY reservation.segment_id ORDER BY reservation.first_position, reservation.id
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                       ) AS reached
                  FROM offers_codereservation AS reservation
                  JOIN offers_vouchersegment AS segment ON segment.id = reservation.segment_id
                  JOIN offers_voucherbank AS bank ON bank.id = segment.bank_id
               ) AS placed
         WHERE first_position < reached AND {of("programme_id")}
        """,
    ),
    Check(
        "reserved_code_held_elsewhere",
        "A code that a run has reserved is held through that run or not at all.",
        f"""
        SELECT code.id
          FROM offers_codereservation AS reservation
          JOIN offers_massassignment AS run ON run.id = reservation.run_id
          JOIN offers_vouchercode AS code
            ON code.segment_id = reservation.segment_id
           AND code.position >= reservation.first_position
           AND code.position < reservation.first_position + reservation.size
          JOIN offers_assignment AS assignment ON assignment.voucher_code_id = code.id
         WHERE assignment.run_id IS DISTINCT FROM reservation.run_id AND {of("run.programme_id")}
        """,
    ),
]
