"""Undone runs: what an undo counted is what its rows and events are (B-04)."""

from offers.selectors.integrity.check import Check, of

CHECKS = [
    Check(
        "undo_miscounted",
        "A chunk that was taken back carries its moment as often as it counted, and its events told of as many.",
        f"""
        WITH taken AS (
            SELECT chunk.undo_id AS run_id, chunk.number, chunk.size, chunk.counts, run.programme_id,
                   (SELECT count(*) FROM offers_audiencemember AS audience
                      JOIN offers_assignment AS held
                        ON held.member_id = audience.member_id AND held.config_offer_id = run.config_offer_id
                       AND held.run_id = run.id AND held.revoked_at = chunk.revoked_at
                     WHERE audience.run_id = run.id
                       AND audience.member_id BETWEEN chunk.first_member_id AND chunk.last_member_id) AS n,
                   (SELECT coalesce(sum(event.size), 0) FROM loyalty_outboxevent AS event
                     WHERE event.run_id = run.id AND event.chunk = chunk.number
                       AND event.type = 'assignment.revoked') AS told
              FROM offers_massassignmentundochunk AS chunk
              JOIN offers_massassignment AS run ON run.id = chunk.undo_id
             WHERE chunk.done_at IS NOT NULL
        )
        SELECT run_id || '/' || number AS id
          FROM taken
         WHERE {of("programme_id")}
           AND ((counts ->> 'revoked')::bigint <> n OR n <> told
                OR size <> (counts ->> 'revoked')::bigint + (counts ->> 'redeemed')::bigint
                           + (counts ->> 'used_up')::bigint + (counts ->> 'closed')::bigint
                           + (counts ->> 'expired')::bigint + (counts ->> 'revoked_before')::bigint)
        """,
    ),
    Check(
        "undone_with_chunks_left",
        "A run is undone when each of its chunks that assigned anything was taken back, and not before.",
        f"""
        SELECT run.id
          FROM offers_massassignment AS run
          LEFT JOIN offers_massassignmentundo AS undo ON undo.run_id = run.id
         WHERE {of("run.programme_id")}
           AND ((run.state IN ('undoing', 'undone')) IS DISTINCT FROM (undo.run_id IS NOT NULL)
                OR (run.state = 'undone') IS DISTINCT FROM (undo.finished_at IS NOT NULL)
                OR run.state = 'undone'
               AND EXISTS (SELECT FROM offers_massassignmentchunk AS chunk
                             LEFT JOIN offers_massassignmentundochunk AS back
                               ON back.undo_id = chunk.run_id AND back.number = chunk.number
                            WHERE chunk.run_id = run.id AND chunk.assigned > 0 AND back.done_at IS NULL))
        """,
    ),
    Check(
        "kept_without_use",
        "An assignment that an undo left alone because it was used is one of its run, and not taken back by it.",
        f"""
        SELECT kept.assignment_id AS id
          FROM offers_keptassignment AS kept
          JOIN offers_massassignment AS run ON run.id = kept.run_id
          LEFT JOIN offers_assignment AS held ON held.id = kept.assignment_id
         WHERE {of("run.programme_id")}
           AND (held.run_id IS DISTINCT FROM kept.run_id OR held.member_id <> kept.member_id
                OR EXISTS (SELECT FROM offers_assignmentevent AS event
                            WHERE event.assignment_id = kept.assignment_id AND event.verb = 'undone'))
        """,
    ),
]
