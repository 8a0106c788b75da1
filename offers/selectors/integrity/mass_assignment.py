"""Mass assignments: what a run counted is what its rows are (D-05, S4-27, S4-28)."""

from offers.selectors.integrity.check import Check, of

CHECKS = [
    Check(
        "run_across_programmes",
        "A run's offer, template and campaign are of its programme.",
        f"""
        SELECT run.id
          FROM offers_massassignment AS run
          JOIN offers_configoffer AS offer ON offer.id = run.config_offer_id
          JOIN offers_offertemplate AS template ON template.id = run.template_id
          LEFT JOIN offers_campaign AS campaign ON campaign.id = run.campaign_id
         WHERE {of("run.programme_id")}
           AND (offer.programme_id <> run.programme_id
                OR template.config_offer_id <> run.config_offer_id
                OR campaign.programme_id <> run.programme_id)
        """,
    ),
    Check(
        "audience_across_programmes",
        "A run's frozen audience is of its programme.",
        f"""
        SELECT audience.run_id || '/' || audience.member_id AS id
          FROM offers_audiencemember AS audience
          JOIN offers_massassignment AS run ON run.id = audience.run_id
          JOIN loyalty_member AS member ON member.id = audience.member_id
         WHERE member.programme_id <> run.programme_id AND {of("run.programme_id")}
        """,
    ),
    Check(
        "run_audience_miscounted",
        "A planned run counted its frozen audience: matched, to assign, and left out by reason.",
        f"""
        WITH part AS (
            SELECT run_id, CASE WHEN ordinal IS NULL THEN outcome END AS reason, count(*) AS n
              FROM offers_audiencemember
             GROUP BY 1, 2
        ), counted AS (
            SELECT run_id, sum(n) AS matched, coalesce(sum(n) FILTER (WHERE reason IS NULL), 0) AS eligible,
                   coalesce(jsonb_object_agg(reason, n) FILTER (WHERE reason IS NOT NULL), '{{}}') AS excluded
              FROM part
             GROUP BY run_id
        )
        SELECT run.id
          FROM offers_massassignment AS run
          LEFT JOIN counted ON counted.run_id = run.id
         WHERE {of("run.programme_id")}
           AND CASE WHEN run.planned_at IS NULL THEN counted.run_id IS NOT NULL
                    ELSE run.matched <> coalesce(counted.matched, 0)
                         OR run.eligible <> coalesce(counted.eligible, 0)
                         OR run.excluded <> coalesce(counted.excluded, '{{}}')
               END
        """,
    ),
    Check(
        "run_ordinals_not_dense",
        "The members to assign are numbered from 0 without a gap: an ordinal fixes a code.",
        f"""
        SELECT audience.run_id AS id
          FROM offers_audiencemember AS audience
          JOIN offers_massassignment AS run ON run.id = audience.run_id
         WHERE audience.ordinal IS NOT NULL AND {of("run.programme_id")}
         GROUP BY audience.run_id
        HAVING min(audience.ordinal) <> 0
            OR max(audience.ordinal) <> count(*) - 1
            OR count(DISTINCT audience.ordinal) <> count(*)
        """,
    ),
    Check(
        "run_chunks_against_audience",
        "A planned run's chunks have as many members together as are to be assigned.",
        f"""
        SELECT run.id
          FROM offers_massassignment AS run
          LEFT JOIN offers_massassignmentchunk AS chunk ON chunk.run_id = run.id
         WHERE run.planned_at IS NOT NULL AND {of("run.programme_id")}
         GROUP BY run.id
        HAVING run.eligible <> coalesce(sum(chunk.size), 0)
        """,
    ),
    Check(
        "run_assigned_miscounted",
        "A run's chunks counted the assignments that it made.",
        f"""
        SELECT run.id
          FROM offers_massassignment AS run
          LEFT JOIN (
                SELECT run_id, sum(assigned) AS n FROM offers_massassignmentchunk GROUP BY run_id
          ) AS counted ON counted.run_id = run.id
          LEFT JOIN (
                SELECT run_id, count(*) AS n FROM offers_assignment WHERE run_id IS NOT NULL GROUP BY run_id
          ) AS made ON made.run_id = run.id
         WHERE coalesce(counted.n, 0) <> coalesce(made.n, 0) AND {of("run.programme_id")}
        """,
    ),
    Check(
        "run_refused_miscounted",
        "A run's chunks counted, by outcome, the members whom they refused.",
        f"""
        WITH told AS (
            SELECT chunk.run_id, refused.key AS outcome, sum(refused.value::bigint) AS n
              FROM offers_massassignmentchunk AS chunk, jsonb_each_text(chunk.refused) AS refused
             GROUP BY chunk.run_id, refused.key
        ), found AS (
            SELECT run_id, outcome, count(*) AS n
              FROM offers_audiencemember
             WHERE ordinal IS NOT NULL AND outcome IS NOT NULL
             GROUP BY run_id, outcome
        )
        SELECT DISTINCT run.id
          FROM told
          FULL JOIN found USING (run_id, outcome)
          JOIN offers_massassignment AS run ON run.id = run_id
         WHERE told.n IS DISTINCT FROM found.n AND {of("run.programme_id")}
        """,
    ),
    Check(
        "chunk_miscounted",
        "A chunk that is done assigned or refused each of its members; one that is not, none.",
        f"""
        SELECT chunk.id
          FROM offers_massassignmentchunk AS chunk
          JOIN offers_massassignment AS run ON run.id = chunk.run_id
         WHERE {of("run.programme_id")}
           AND chunk.assigned
               + (SELECT coalesce(sum(refused.value::bigint), 0) FROM jsonb_each_text(chunk.refused) AS refused)
               <> CASE WHEN chunk.done_at IS NULL THEN 0 ELSE chunk.size END
        """,
    ),
    Check(
        "run_over_with_open_ends",
        "A finished run has no chunk that is neither done nor given up, and no codes reserved.",
        f"""
        SELECT run.id
          FROM offers_massassignment AS run
         WHERE run.state IN ('finished', 'finished_with_errors', 'undone')
           AND {of("run.programme_id")}
           AND (EXISTS (SELECT FROM offers_massassignmentchunk AS chunk
                         WHERE chunk.run_id = run.id AND chunk.done_at IS NULL AND chunk.failed_at IS NULL
                           -- A run that was cancelled half-way is undone as far as it came.
                           AND NOT EXISTS (SELECT FROM offers_massassignmentundo AS undo
                                            WHERE undo.run_id = run.id AND undo.state_before = 'cancelled'))
                OR EXISTS (SELECT FROM offers_codereservation AS reservation
                            WHERE reservation.run_id = run.id AND reservation.released_at IS NULL))
        """,
    ),
    Check(
        "run_reserved_miscounted",
        "A planned run that needs codes reserved one for each member to assign, none twice; another one none.",
        # What is reserved for the chunks that are tried again was released when the run ended, all at one moment.
        f"""
        SELECT run.id
          FROM offers_massassignment AS run
          LEFT JOIN LATERAL (
                SELECT range_agg(at_a_time.ordinals) AS ordinals,
                       bool_or(at_a_time.size <> (SELECT sum(upper(part) - lower(part)) FROM unnest(at_a_time.ordinals)
                                                  AS part)) AS is_twice
                  FROM (SELECT range_agg(int8range(first_ordinal, first_ordinal + size)) AS ordinals, sum(size) AS size
                          FROM offers_codereservation WHERE run_id = run.id GROUP BY released_at) AS at_a_time
               ) AS reserved ON true
         WHERE run.planned_at IS NOT NULL AND {of("run.programme_id")}
           AND (reserved.is_twice OR coalesce(reserved.ordinals, '{{}}') <>
                CASE WHEN run.require_vouchers AND run.eligible > 0
                     THEN int8multirange(int8range(0, run.eligible)) ELSE '{{}}'::int8multirange END)
        """,
    ),
    Check(
        "run_assignment_without_code",
        "Who was assigned by a run with codes has one, until it is revoked or closed.",
        f"""
        SELECT assignment.id
          FROM offers_massassignment AS run
          JOIN offers_assignment AS assignment ON assignment.run_id = run.id
         WHERE run.require_vouchers
           AND assignment.voucher_code_id IS NULL
           AND assignment.revoked_at IS NULL
           AND assignment.closed_at IS NULL
           AND {of("run.programme_id")}
        """,
    ),
]
