"""The desk's ledger: what agents granted stands in it once, what was taken back twice (B-05)."""

from offers.selectors.integrity.check import Check, of

CHECKS = [
    Check(
        "grant_not_in_the_ledger",
        "Everything that an agent granted with a reason stands in the ledger, with its agent, its member and its cost.",
        f"""
        SELECT entry.id
          FROM offers_doorentry AS entry
          JOIN offers_assignment AS given ON given.id = entry.assignment_id
          LEFT JOIN offers_grantledgerentry AS told ON told.assignment_id = entry.assignment_id AND told.n = 1
         WHERE entry.door = 1 AND entry.actor_id IS NOT NULL AND entry.context ->> 'reason' IS NOT NULL
           AND {of("entry.programme_id")}
           AND (told.agent_id, told.member_id, told.exposure_minor, told.programme_id)
               IS DISTINCT FROM (entry.actor_id, given.member_id, given.exposure_minor, entry.programme_id)
        """,
    ),
    Check(
        "ledger_not_taken_back",
        "The ledger has a counter-row for just what was revoked unused, itself or as reissued, and the two cancel out.",
        f"""
        WITH RECURSIVE chain AS (
            SELECT told.id AS entry_id, given.id, given.member_id, given.revoked_at
              FROM offers_grantledgerentry AS told
              JOIN offers_assignment AS given ON given.id = told.assignment_id
             WHERE told.n = 1 AND {of("told.programme_id")}
            UNION ALL
            SELECT chain.entry_id, later.id, later.member_id, later.revoked_at
              FROM chain
              JOIN offers_assignment AS later ON later.member_id = chain.member_id AND later.replaces_id = chain.id
        ), last AS (
            SELECT entry_id,
                   -- What was used stays counted.
                   revoked_at IS NOT NULL AND NOT EXISTS (
                       SELECT FROM offers_redemption AS used
                        WHERE used.assignment_id = chain.id AND used.returned_at IS NULL
                   ) AS is_over
              FROM chain
             WHERE NOT EXISTS (
                    SELECT FROM offers_assignment AS later
                     WHERE later.member_id = chain.member_id AND later.replaces_id = chain.id
                   )
        )
        SELECT told.id
          FROM offers_grantledgerentry AS told
          JOIN last ON last.entry_id = told.id
          LEFT JOIN offers_grantledgerentry AS back ON back.assignment_id = told.assignment_id AND back.n = -1
         WHERE last.is_over <> (back.id IS NOT NULL)
            OR (back.id IS NOT NULL
                AND (back.agent_id, back.member_id, back.day, back.programme_id, -back.exposure_minor)
                    IS DISTINCT FROM (told.agent_id, told.member_id, told.day, told.programme_id, told.exposure_minor))
        UNION ALL
        SELECT back.id
          FROM offers_grantledgerentry AS back
         WHERE back.n = -1 AND {of("back.programme_id")}
           AND NOT EXISTS (
                SELECT FROM offers_grantledgerentry AS told
                 WHERE told.assignment_id = back.assignment_id AND told.n = 1
               )
        """,
    ),
]
