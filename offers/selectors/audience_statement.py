"""The statements over a run's frozen audience: what became of each member, by the page and as a file (S4-27, B-04)."""

from loyalty import csv_export

# What became of an assignment after it was made, by the latest thing that ended it, else by what its member did.
SINCE = """
           CASE WHEN held.id IS NULL THEN ''
                WHEN held.revoked_at IS NOT NULL THEN 'revoked'
                WHEN held.used_up_at IS NOT NULL THEN 'used_up'
                WHEN EXISTS (SELECT FROM offers_redemption AS used WHERE used.assignment_id = held.id) THEN 'redeemed'
                WHEN held.closed_at IS NOT NULL THEN 'closed'
                WHEN held.ends_at <= %(now)s THEN 'expired'
                WHEN held.accepted_at IS NOT NULL THEN 'accepted'
                WHEN held.seen_at IS NOT NULL OR held.exposed_at IS NOT NULL THEN 'seen'
                ELSE 'open' END
"""

# An outcome is stored for who is refused; the others' is known from the chunk that she lies in, and from the undo's
# chunk once that is done: what it took back carries the chunk's own moment, which is nobody else's (B-04).
OUTCOME = """
           CASE WHEN audience.outcome IS NOT NULL THEN audience.outcome
                WHEN chunk.done_at IS NULL AND chunk.failed_at IS NOT NULL THEN 'failed'
                WHEN chunk.done_at IS NULL THEN 'waiting'
                WHEN undone.done_at IS NULL THEN 'assigned'
                WHEN held.revoked_at = undone.revoked_at THEN 'taken_back'
                WHEN EXISTS (SELECT FROM offers_keptassignment AS kept
                              WHERE kept.run_id = audience.run_id AND kept.member_id = audience.member_id) THEN 'kept'
                ELSE 'over_before' END
"""

# The few chunks of a range are read once, not once for each of its members.
CHUNKS = """
    WITH chunk AS MATERIALIZED (
        SELECT first_member_id, last_member_id, done_at, failed_at
          FROM offers_massassignmentchunk
         WHERE run_id = %(run_id)s AND last_member_id > %(after)s AND first_member_id <= %(until)s
    ), undone AS MATERIALIZED (
        SELECT first_member_id, last_member_id, done_at, revoked_at
          FROM offers_massassignmentundochunk
         WHERE undo_id = %(run_id)s AND done_at IS NOT NULL
           AND last_member_id > %(after)s AND first_member_id <= %(until)s
    )
"""
FROM = """
      FROM offers_audiencemember AS audience
      JOIN loyalty_member AS member
        ON member.id = audience.member_id AND member.id > %(after)s AND member.id <= %(until)s
      LEFT JOIN chunk
        ON audience.ordinal IS NOT NULL
       AND audience.member_id BETWEEN chunk.first_member_id AND chunk.last_member_id
      LEFT JOIN undone
        ON audience.ordinal IS NOT NULL
       AND audience.member_id BETWEEN undone.first_member_id AND undone.last_member_id
      LEFT JOIN LATERAL (
            -- OFFSET 0: looked up member by member. Joined freely, a page read the whole table where the planner knew
            -- little of it.
            SELECT * FROM offers_assignment
             WHERE member_id = audience.member_id
               AND config_offer_id = %(config_offer_id)s
               AND run_id = audience.run_id
            OFFSET 0
           ) AS held ON TRUE
     WHERE audience.run_id = %(run_id)s
       AND audience.member_id > %(after)s
       AND audience.member_id <= %(until)s
       AND {condition}
     ORDER BY audience.member_id
"""
SELECT = f"""
    {CHUNKS}
    SELECT audience.member_id, member.external_id, member.first_name, member.last_name, {OUTCOME} AS outcome,
           audience.details ->> 'reason' AS reason, audience.details ->> 'value' AS value,
           held.id AS assignment_id, held.issued_at, held.ends_at, held.seen_at, held.accepted_at, held.revoked_at,
           {SINCE} AS since
    {FROM}
     LIMIT %(size)s
"""

# Where a part of a file ends; read from the index of the frozen audience alone.
LAST_OF_PART = """
    SELECT max(member_id) AS until
      FROM (SELECT member_id FROM offers_audiencemember
             WHERE run_id = %(run_id)s AND member_id > %(after)s
             ORDER BY member_id LIMIT %(size)s) AS part
"""
MOMENTS = ("issued_at", "ends_at", "seen_at", "accepted_at", "revoked_at")
MOMENT = """to_char(held.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


def copy(*, condition: str, is_safe: bool) -> str:
    """Return the COPY of a range's lines, in the order of `outcome_export.COLUMNS`, as CSV without a head.

    `is_safe` for spreadsheets: no cell runs as a formula, and what is empty is nothing at all.
    """
    ours = [OUTCOME, "audience.details ->> 'reason'", "held.id::text", SINCE]
    # The member's id comes from outside; the others are words of our own.
    texts = [csv_export.safe_cell("member.external_id") if is_safe else "member.external_id", *ours]
    moments = [MOMENT.format(name=name) for name in MOMENTS]
    cells = ", ".join([f"nullif(({text}), '')" for text in texts] + moments)
    return f"COPY ({CHUNKS} SELECT {cells} {FROM.format(condition=condition)}) TO STDOUT (FORMAT csv)"
