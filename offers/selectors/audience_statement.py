"""The statements over a run's frozen audience: what became of each member, by the page and as a file (S4-27, B-04)."""

from collections.abc import Sequence

from loyalty import csv_export

# Which values of a run differ per member: rule and field, such as benefit and size.
Fields = Sequence[tuple[str, str]]
# What a value may take of a line: 2,000 ids of products would not fit into a cell. The assignment has it whole.
LONGEST = 500

# What became of an assignment after it was made, by the latest thing that ended it, else by what its member did.
SINCE = """
           CASE WHEN held.id IS NULL THEN ''
                WHEN held.revoked_at IS NOT NULL THEN 'revoked'
                WHEN held.used_up_at IS NOT NULL THEN 'used_up'
                WHEN EXISTS (SELECT FROM offers_redemption AS used
                               WHERE used.assignment_id = held.id AND used.returned_at IS NULL) THEN 'redeemed'
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


def _cut(text: str) -> str:
    return f"CASE WHEN char_length({text}) > {LONGEST} THEN left({text}, {LONGEST - 1}) || '…' ELSE {text} END"


# What stands in her attribute or her line of the list, where she was refused for it (S1-05).
VALUE = _cut("(audience.details ->> 'value')")
_SELECT = f"""
    {CHUNKS}
    SELECT audience.member_id, member.external_id, member.first_name, member.last_name, {OUTCOME} AS outcome,
           audience.details ->> 'reason' AS reason, {VALUE} AS value,
           {{written}} AS written, {{own}} AS own,
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


def select(*, condition: str, fields: Fields = (), has_own: bool = False) -> str:
    """Return the SELECT of a range's members: `written` are her own values of `fields` as a file has them.

    With `has_own` her own rules come too, whole: for a page, not for a file.
    """
    rules = dict.fromkeys(rule for rule, _name in fields) if has_own else {}
    pairs = ", ".join(f"'{rule}', held.terms -> '{rule}'" for rule in rules)
    own = f"CASE WHEN held.id IS NOT NULL THEN jsonb_build_object({pairs}) END" if pairs else "NULL::jsonb"
    return _SELECT.format(condition=condition, written=_written(fields), own=own)


def _written(fields: Fields) -> str:
    """Return a member's own values as one text, `benefit.size=13; validity.days=7`; of who got nothing, nothing."""
    values = [(f"{rule}.{name}", f"(held.terms -> '{rule}' ->> '{name}')") for rule, name in fields]
    pairs = ", ".join(f"'{key}=' || {_cut(value)}" for key, value in values)
    return f"concat_ws('; ', {pairs})" if pairs else "NULL::text"


def copy(*, condition: str, fields: Fields, is_safe: bool) -> str:
    """Return the COPY of a range's lines, in the order of `outcome_export.COLUMNS`, as CSV without a head.

    `is_safe` for spreadsheets: no cell runs as a formula, and what is empty is nothing at all.
    """
    # The member's id and the refused value come from outside; the others begin with words of our own.
    outside = ("member.external_id", f"({VALUE})" if fields else "NULL::text")
    member, value = (csv_export.safe_cell(one) if is_safe else one for one in outside)
    reason = "audience.details ->> 'reason'"
    texts = [member, OUTCOME, reason, value, _written(fields), "held.id::text", SINCE]
    moments = [MOMENT.format(name=name) for name in MOMENTS]
    cells = ", ".join([f"nullif(({text}), '')" for text in texts] + moments)
    return f"COPY ({CHUNKS} SELECT {cells} {FROM.format(condition=condition)}) TO STDOUT (FORMAT csv)"
