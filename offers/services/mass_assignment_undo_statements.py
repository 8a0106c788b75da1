"""The statements of `offers.services.mass_assignment_undo`: what taking a chunk of a run back reads and writes (B-04).

Assignments are found from the frozen audience through the index of what members hold: it begins with member and offer,
and keeps those without a holding key too, so a run of an offer without a repeat policy is found the same way.
"""

from offers.selectors.mass_assignment_undo import CODE, RESULT

# What the run gave to the members of a chunk. Bounded by the chunk's range on both sides, as the chunk that assigned.
_GIVEN = """
          FROM offers_audiencemember AS audience
          JOIN offers_assignment AS held
            ON held.member_id = audience.member_id
           AND held.member_id BETWEEN %(first_member_id)s AND %(last_member_id)s
           AND held.config_offer_id = %(config_offer_id)s
           AND held.run_id = %(run_id)s
         WHERE audience.run_id = %(run_id)s
           AND audience.member_id BETWEEN %(first_member_id)s AND %(last_member_id)s
           AND audience.ordinal IS NOT NULL
           AND audience.outcome IS NULL
"""

# In the order of their ids, as whoever locks several assignments. A statement of its own: whatever commits before the
# lock is granted is seen by the next one. Members who accept, see or decline meanwhile come before it or after it.
LOCK = f"""
    SELECT count(*) AS n, max(revoked_at) AS latest
      FROM (SELECT held.revoked_at {_GIVEN} ORDER BY held.id FOR UPDATE OF held) AS locked
"""

# Of the assignments of a `given`, which are locked: what becomes of each, and the rows of what is taken back. A run's
# undo and that of a set of the desk (`grant_set_undo`) begin so.
TAKEN = f"""
    held AS MATERIALIZED (
        SELECT held.id, held.member_id, held.holding_key, held.exposed_at, held.exposure_minor, held.synchronized_at,
               held.voucher_code_id, {RESULT}
        {{given}}
    ), judged AS MATERIALIZED (
        SELECT held.*, code.id AS code_id, code.code, code.fate
          FROM held {CODE.format(held="held")}
    ), taken AS (
        UPDATE offers_assignment AS assignment
           SET revoked_at = %(now)s, updated_at = %(now)s, holding_key = NULL,
               voucher_code_id = CASE WHEN judged.fate = 'returned' THEN NULL ELSE assignment.voucher_code_id END
          FROM judged
         WHERE assignment.id = judged.id AND judged.result = 'revoked'
    )
"""
# What the event of each says that it changed.
CHANGES = """
               jsonb_build_object('revoked_at', jsonb_build_array(NULL, %(moment)s::text),
                                  'holding_key', jsonb_build_array(holding_key, NULL))
               || CASE WHEN fate = 'returned' THEN jsonb_build_object('voucher_code', jsonb_build_array(
                           jsonb_build_object('id', code_id, 'code', code), NULL)) ELSE '{}' END
"""

# Takes back what nobody used: row, event, outbox; names the codes that go back, and who keeps hers. The rows are
# locked. `now` is nobody else's moment of revocation in this chunk: with it the outbox addresses exactly these.
TAKE_BACK = f"""
    WITH {TAKEN.format(given=_GIVEN)}, noted AS (
        INSERT INTO offers_assignmentevent (assignment_id, at, verb, source, actor_id, api_client_id, data)
        SELECT id, %(now)s, 'undone', %(source)s, %(actor_id)s, %(api_client_id)s,
               {CHANGES} || jsonb_build_object('run', %(run_id)s::bigint)
               || CASE WHEN %(reason)s::text <> '' THEN jsonb_build_object('reason', %(reason)s::text) ELSE '{{}}' END
          FROM judged
         WHERE result = 'revoked'
         ORDER BY id
    ), told AS (
        INSERT INTO loyalty_outboxevent
               (programme_id, type, config_offer_id, run_id, chunk, assignment_ids, is_synchronized, size, data)
        SELECT %(programme_id)s, 'assignment.revoked', %(config_offer_id)s, %(run_id)s, %(chunk)s, ARRAY[]::uuid[],
               synchronized_at IS NOT NULL, count(*),
               jsonb_build_object('verb', 'undone', 'reason', %(reason)s::text, 'revoked_at', %(moment)s::text)
          FROM judged
         WHERE result = 'revoked'
         GROUP BY synchronized_at IS NOT NULL
    ), kept AS (
        INSERT INTO offers_keptassignment (run_id, member_id, assignment_id, reason)
        SELECT %(run_id)s, member_id, id, result FROM judged WHERE result IN ('redeemed', 'used_up')
    )
    SELECT count(*) FILTER (WHERE result = 'revoked') AS revoked,
           count(*) FILTER (WHERE result = 'redeemed') AS redeemed,
           count(*) FILTER (WHERE result = 'used_up') AS used_up,
           count(*) FILTER (WHERE result = 'closed') AS closed,
           count(*) FILTER (WHERE result = 'expired') AS expired,
           count(*) FILTER (WHERE result = 'revoked_before') AS revoked_before,
           count(*) FILTER (WHERE fate = 'burned') AS burned,
           count(*) FILTER (WHERE fate = 'other') AS other,
           coalesce(array_agg(code_id) FILTER (WHERE fate = 'returned'), '{{}}') AS code_ids,
           coalesce(sum(exposure_minor) FILTER (WHERE result = 'revoked'), 0)::bigint AS exposure_minor
      FROM judged
"""

# Members' counts go back in the order of the members, where the campaign limits them; see `limit.COUNT_BACK`.
COUNT_BACK = f"""
    INSERT INTO offers_membercount AS counted (campaign_id, member_id, assigned)
    SELECT %(campaign_id)s, held.member_id, -count(*)
    {_GIVEN}
           AND held.revoked_at = %(now)s
           AND EXISTS (SELECT FROM offers_limit
                        WHERE campaign_id = %(campaign_id)s AND per_member IS NOT NULL)
     GROUP BY held.member_id
     ORDER BY held.member_id
        ON CONFLICT (campaign_id, member_id) DO UPDATE SET assigned = counted.assigned + excluded.assigned
"""

# Every chunk of the run that assigned anything is to be taken back.
CUT = """
    INSERT INTO offers_massassignmentundochunk
           (undo_id, number, first_member_id, last_member_id, size, attempts, failure, counts)
    SELECT run_id, number, first_member_id, last_member_id, assigned, 0, '', '{}'
      FROM offers_massassignmentchunk
     WHERE run_id = %(run_id)s AND assigned > 0
     ORDER BY number
"""
