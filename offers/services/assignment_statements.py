"""The statements of `offers.services.assignment`: the only SQL that inserts assignments.

One for any set of grants, one for a chunk of a frozen audience; both fill the same columns through `INSERT`.
"""

from offers.models import Source
from offers.services import voucher_tape

# The columns that every insert fills, in one place, so that the two statements cannot drift apart. `row` is a relation
# with a column of each of these names.
COLUMNS = (
    "member_id, config_offer_id, revision_id, template_id, campaign_id, run_id, source, reference, holding_key, rank, "
    "starts_at, ends_at, acceptance_required, exposure_minor, terms, fields, voucher_code_id, replaces_id, actor_id, "
    "issued_at, synchronized_at, updated_at"
)

# `id` is a column where it was made before. A chunk makes it while inserting, in the order of the rows, so that the
# key's index grows at its end.
INSERT = f"""
    INSERT INTO offers_assignment (id, {COLUMNS})
    SELECT {{id}}, {COLUMNS} FROM {{rows}} AS row
     ORDER BY member_id, config_offer_id
"""

# A true race ends in DO NOTHING here; the outcome is read from what was returned, never from the pre-check.
ON_CONFLICT = "ON CONFLICT (member_id, config_offer_id, holding_key) DO NOTHING"

# What ASSIGN answers for each wish, in the order of its columns.
ASSIGNED = ("n", "member_id", "assignment_id", "code", "unused_code_id", "limits")
# Plans and wishes come as documents: a text has one type whatever is in it, so that each session plans this once.
# That plan may be from when the tables were small. So members, holders and codes are looked up wish by wish, each by
# its unique index (OFFSET 0): joined freely, they would be read whole. And every wish keeps its row to the end:
# filtered and joined again, few would be expected, and looked for among each other one by one.
ASSIGN = f"""
WITH plan AS (
    SELECT * FROM jsonb_to_recordset(%(plans)s::jsonb)
        AS plan (plan int, config_offer_id bigint, revision_id bigint, template_id bigint, bank_id bigint,
                 terms jsonb, starts_at timestamptz, ends_at timestamptz, acceptance_required boolean,
                 exposure_minor bigint, synchronized_at timestamptz)
), wish AS (
    SELECT * FROM jsonb_to_recordset(%(wishes)s::jsonb)
        AS wish (n int, plan int, by_id bigint, by_external_id text, campaign_id bigint, holding_key bigint,
                 rank int, reference text, fields jsonb, replaces_id uuid)
), known AS (
    SELECT wish.n, wish.campaign_id, wish.holding_key, wish.rank, wish.reference, wish.fields, wish.replaces_id,
           plan.config_offer_id, plan.revision_id, plan.template_id, plan.bank_id, plan.terms, plan.starts_at,
           plan.ends_at, plan.acceptance_required, plan.exposure_minor, plan.synchronized_at,
           member.id AS member_id, member.status
      FROM wish
      JOIN plan USING (plan)
      LEFT JOIN LATERAL (
            SELECT id, status FROM loyalty_member
             WHERE id = wish.by_id AND programme_id = %(programme_id)s
             UNION ALL
            SELECT id, status FROM loyalty_member
             WHERE wish.by_id IS NULL AND programme_id = %(programme_id)s AND external_id = wish.by_external_id
           ) AS member ON TRUE
), candidate AS MATERIALIZED (
    -- `first_n` is the first of its holding within the set, and speaks for its twins.
    SELECT known.*,
           min(n) OVER (PARTITION BY member_id, config_offer_id, coalesce(holding_key, -1000 - n)) AS first_n,
           coalesce(status = 'active', FALSE) AND NOT EXISTS (
                SELECT FROM offers_assignment AS held
                 WHERE held.member_id = known.member_id
                   AND held.config_offer_id = known.config_offer_id
                   AND held.holding_key = known.holding_key
                OFFSET 0
           ) AS is_free
      FROM known
), ready AS MATERIALIZED (
    -- One of each holding, numbered for the draw.
    SELECT candidate.*, is_free AND n = first_n AS is_ready,
           CASE WHEN is_free AND n = first_n THEN uuidv7() END AS id,
           row_number() OVER (
               PARTITION BY bank_id ORDER BY is_free AND n = first_n DESC, member_id, config_offer_id, n
           ) - 1 AS draw
      FROM candidate
), need AS (
    SELECT bank_id, count(*) AS n FROM ready WHERE is_ready AND bank_id IS NOT NULL GROUP BY bank_id
), {voucher_tape.DRAW}, row AS (
    SELECT ready.*, NULL::bigint AS run_id, %(source)s::smallint AS source, code.id AS voucher_code_id,
           %(actor_id)s::bigint AS actor_id, %(now)s::timestamptz AS issued_at, %(now)s::timestamptz AS updated_at
      FROM ready
      LEFT JOIN drawn
        ON ready.is_ready
       AND drawn.bank_id = ready.bank_id AND ready.draw >= drawn.before AND ready.draw < drawn.before + drawn.taken
      LEFT JOIN LATERAL (
            SELECT given.id FROM offers_vouchercode AS given
             WHERE given.segment_id = drawn.segment_id
               AND given.position = drawn.first_position + ready.draw - drawn.before
            OFFSET 0
           ) AS code ON TRUE
), inserted AS (
    {INSERT.format(id="id", rows="(SELECT * FROM row WHERE is_ready AND (bank_id IS NULL OR voucher_code_id > 0))")}
    {ON_CONFLICT}
    RETURNING id, member_id, config_offer_id, synchronized_at
), told AS (
    -- One event a set, offer and synchronization; at most a thousand ids each.
    INSERT INTO loyalty_outboxevent
           (programme_id, type, config_offer_id, assignment_ids, is_synchronized, size, data)
    SELECT %(programme_id)s, 'assignment.created', config_offer_id, array_agg(id ORDER BY id),
           synchronized_at IS NOT NULL, count(*), jsonb_build_object('source', %(source)s::int)
      FROM (SELECT inserted.*, (row_number() OVER (PARTITION BY config_offer_id) - 1) / 1000 AS part FROM inserted)
           AS numbered
     GROUP BY config_offer_id, synchronized_at IS NOT NULL, part
)
SELECT row.n, row.member_id, inserted.id AS assignment_id,
       CASE WHEN row.member_id IS NULL THEN 'unknown_member'
            WHEN row.status <> 'active' THEN 'member_inactive'
            WHEN inserted.id IS NOT NULL THEN 'assigned'
            WHEN row.is_free AND row.bank_id IS NOT NULL AND row.first_code_id IS NULL THEN 'out_of_codes'
            ELSE 'already_held' END AS code,
       -- Drawn, and lost to a race: goes back in this transaction.
       CASE WHEN inserted.id IS NULL THEN row.voucher_code_id END AS unused_code_id,
       -- Limits that were set since somebody looked for them: read once, by two unique indexes.
       (SELECT count(*) FROM offers_limit
         WHERE config_offer_id = ANY(ARRAY(SELECT config_offer_id FROM plan))
            OR campaign_id = ANY(ARRAY(SELECT campaign_id FROM wish))
       ) AS limits
  FROM (SELECT row.*, max(voucher_code_id) OVER (PARTITION BY first_n) AS first_code_id FROM row) AS row
  LEFT JOIN inserted ON inserted.id = row.id
 ORDER BY row.n
"""

_CHUNK = f"""
WITH wish AS MATERIALIZED (
    SELECT audience.member_id, audience.ordinal, member.status{{given}}
      FROM offers_audiencemember AS audience
      JOIN loyalty_member AS member
        ON member.id = audience.member_id
       AND member.id BETWEEN %(first_member_id)s AND %(last_member_id)s
     WHERE audience.run_id = %(run_id)s
       AND audience.member_id BETWEEN %(first_member_id)s AND %(last_member_id)s
       AND audience.ordinal IS NOT NULL
), bounds AS (SELECT min(ordinal) AS first, max(ordinal) AS last FROM wish), code AS MATERIALIZED (
    -- The ordinal fixes the code: a chunk that is tried again gives each member the same one.
    -- LATERAL behind OFFSET 0 reads just this chunk's positions: joined freely, the planner read the whole segment.
    SELECT code.id, reservation.first_ordinal + (code.position - reservation.first_position) AS ordinal
      FROM offers_codereservation AS reservation
     CROSS JOIN bounds
     CROSS JOIN LATERAL (
            SELECT given.id, given.position
              FROM offers_vouchercode AS given
             WHERE given.segment_id = reservation.segment_id
               AND given.position >= reservation.first_position
                                     + greatest(bounds.first - reservation.first_ordinal, 0)
               AND given.position < reservation.first_position
                                    + least(bounds.last + 1 - reservation.first_ordinal, reservation.size)
               -- Made void since it was reserved: its member is refused, out of codes.
               AND given.voided_at IS NULL
            OFFSET 0
           ) AS code
     WHERE reservation.run_id = %(run_id)s
       -- Those of chunks that were given up, and are done again, went back.
       AND reservation.released_at IS NULL
), row AS (
    SELECT wish.member_id, %(config_offer_id)s::bigint AS config_offer_id,
           %(revision_id)s::bigint AS revision_id, %(template_id)s::bigint AS template_id,
           %(campaign_id)s::bigint AS campaign_id, %(run_id)s::bigint AS run_id,
           {int(Source.MASS_ASSIGNMENT)} AS source,
           NULL::text AS reference, %(holding_key)s::bigint AS holding_key, %(rank)s::int AS rank,
           {{starts_at}} AS starts_at, {{ends_at}} AS ends_at,
           %(acceptance_required)s::boolean AS acceptance_required, {{exposure_minor}} AS exposure_minor,
           {{terms}} AS terms, NULL::jsonb AS fields, code.id AS voucher_code_id, NULL::uuid AS replaces_id,
           %(actor_id)s::bigint AS actor_id, %(now)s::timestamptz AS issued_at,
           %(synchronized_at)s::timestamptz AS synchronized_at, %(now)s::timestamptz AS updated_at
      FROM wish
      LEFT JOIN code USING (ordinal)
     WHERE wish.status = 'active'
       AND (NOT %(require_vouchers)s OR code.id IS NOT NULL)
       AND NOT EXISTS (
            SELECT FROM offers_assignment AS held
             WHERE held.member_id = wish.member_id
               AND held.member_id BETWEEN %(first_member_id)s AND %(last_member_id)s
               AND held.config_offer_id = %(config_offer_id)s
               AND held.holding_key = %(holding_key)s::bigint
       )
), inserted AS (
    {INSERT.format(id="uuidv7()", rows="row")}
    {{on_conflict}}
    RETURNING member_id{{returned}}
), refused AS (
    UPDATE offers_audiencemember AS audience
       SET outcome = CASE WHEN wish.status <> 'active' THEN 'member_inactive'
                          WHEN %(require_vouchers)s AND NOT EXISTS (SELECT FROM code WHERE code.ordinal = wish.ordinal)
                          THEN 'out_of_codes'
                          ELSE 'already_held' END
      FROM wish
     WHERE audience.run_id = %(run_id)s
       AND audience.member_id = wish.member_id
       -- Nobody was refused, mostly: then nobody is looked for.
       AND (SELECT count(*) FROM inserted) < (SELECT count(*) FROM wish)
       AND wish.member_id NOT IN (SELECT member_id FROM inserted)
    RETURNING audience.outcome
), told AS (
    INSERT INTO loyalty_outboxevent (programme_id, type, config_offer_id, run_id, chunk, assignment_ids,
                                     is_synchronized, size, data)
    SELECT %(programme_id)s, 'assignment.created', %(config_offer_id)s, %(run_id)s, %(chunk)s, ARRAY[]::uuid[],
           %(synchronized_at)s::timestamptz IS NOT NULL, count(*),
           jsonb_build_object('source', {int(Source.MASS_ASSIGNMENT)})
      FROM inserted
    HAVING count(*) > 0
)
SELECT (SELECT count(*) FROM inserted) AS assigned,
       (SELECT coalesce(jsonb_object_agg(outcome, n), jsonb_build_object())
          FROM (SELECT outcome, count(*) AS n FROM refused GROUP BY outcome) AS counted) AS refused,
       {{spent}} AS exposure_minor
"""
# What every assignment of a run carries, where all carry the same.
SAME = {
    "given": "",
    "starts_at": "%(starts_at)s::timestamptz",
    "ends_at": "%(ends_at)s::timestamptz",
    "exposure_minor": "%(exposure_minor)s::bigint",
    "terms": "%(terms)s::jsonb",
    "returned": "",
    "spent": "NULL::bigint",
}
# What differs per member stands in the frozen audience; a period that does not is the run's. (S1-05)
OWN = {
    "given": ", audience.given",
    "starts_at": "coalesce((wish.given ->> 'starts_at')::timestamptz, %(starts_at)s::timestamptz)",
    "ends_at": (
        "CASE WHEN wish.given ? 'ends_at' THEN (wish.given ->> 'ends_at')::timestamptz"
        " ELSE %(ends_at)s::timestamptz END"
    ),
    "exposure_minor": "(wish.given ->> 'exposure_minor')::bigint",
    "terms": "wish.given -> 'terms'",
    "returned": ", exposure_minor",
    "spent": "(SELECT coalesce(sum(exposure_minor), 0)::bigint FROM inserted)",
}

# A chunk has looked who holds what, so a plain INSERT does, and is a quarter faster. In a race it fails whole, and the
# second statement does the same chunk.
CHUNK = _CHUNK.format(on_conflict="", **SAME)
CHUNK_IN_A_RACE = _CHUNK.format(on_conflict=ON_CONFLICT, **SAME)
CHUNK_OF_OWN_VALUES = _CHUNK.format(on_conflict="", **OWN)
CHUNK_OF_OWN_VALUES_IN_A_RACE = _CHUNK.format(on_conflict=ON_CONFLICT, **OWN)

# A policy of "one open at a time" is freed by what is over (D-01), seen by its moments: whoever used it up or closed it
# need not know of policies. It has to be a statement of its own: inside the INSERT's own statement the freed row would
# still be in the unique index. The rows are locked in the order of their ids, so that two sets with the same members in
# another order do not wait for each other; an array, so that the update goes by the primary key whatever the planner
# knows.
_OVER = "(held.ends_at <= %(now)s OR held.used_up_at IS NOT NULL OR held.closed_at IS NOT NULL)"
FREE_EXPIRED = f"""
    UPDATE offers_assignment
       SET holding_key = NULL, updated_at = %(now)s
     WHERE id = ANY(ARRAY(
        SELECT held.id
          FROM unnest(%(members)s::bigint[], %(offers)s::bigint[]) AS wish (member_id, config_offer_id)
          JOIN offers_assignment AS held
            ON held.member_id = wish.member_id
           AND held.config_offer_id = wish.config_offer_id
           AND held.holding_key = -1
           AND {_OVER}
         ORDER BY held.id
           FOR UPDATE OF held
     ))
"""

# The same for a chunk, read from its frozen audience.
FREE_EXPIRED_OF_CHUNK = f"""
    UPDATE offers_assignment
       SET holding_key = NULL, updated_at = %(now)s
     WHERE id = ANY(ARRAY(
        SELECT held.id
          FROM offers_audiencemember AS audience
          JOIN offers_assignment AS held
            ON held.member_id = audience.member_id
           AND held.config_offer_id = %(config_offer_id)s
           AND held.holding_key = -1
           AND {_OVER}
         WHERE audience.run_id = %(run_id)s
           AND audience.member_id BETWEEN %(first_member_id)s AND %(last_member_id)s
           AND audience.ordinal IS NOT NULL
         ORDER BY held.id
           FOR UPDATE OF held
     ))
"""
