"""The outbox: gapless positions, and every assignment told of once (DESIGN 5)."""

from offers.selectors.integrity.check import Check, of

CHECKS = [
    Check(
        "outbox_position_gap",
        "Positions begin at 1 and leave none out.",
        """
        SELECT position AS id
          FROM (SELECT position, coalesce(lag(position) OVER (ORDER BY position), 0) AS before
                  FROM loyalty_outboxevent WHERE position IS NOT NULL) AS placed
         WHERE position > before + 1
        """,
    ),
    Check(
        "outbox_position_twice",
        "A position is one event's.",
        """
        SELECT position AS id FROM loyalty_outboxevent WHERE position IS NOT NULL GROUP BY position HAVING count(*) > 1
        """,
    ),
    Check(
        "event_across_programmes",
        "An event is of its offer's programme.",
        f"""
        SELECT event.id
          FROM loyalty_outboxevent AS event
          LEFT JOIN offers_configoffer AS offer ON offer.id = event.config_offer_id
         WHERE event.config_offer_id IS NOT NULL
           AND offer.programme_id IS DISTINCT FROM event.programme_id
           AND {of("event.programme_id")}
        """,
    ),
    Check(
        "event_size",
        "An event that names assignments is as large as their number, at most 1,000.",
        f"""
        SELECT event.id
          FROM loyalty_outboxevent AS event
         WHERE event.run_id IS NULL
           AND event.type LIKE 'assignment.%%'
           AND (event.size <> cardinality(event.assignment_ids) OR event.size NOT BETWEEN 1 AND 1000)
           AND {of("event.programme_id")}
        """,
    ),
    Check(
        "event_of_no_assignment",
        "What an event names exists, and is of the event's offer.",
        f"""
        SELECT DISTINCT event.id
          FROM loyalty_outboxevent AS event
         CROSS JOIN unnest(event.assignment_ids) AS named (id)
          LEFT JOIN offers_assignment AS assignment ON assignment.id = named.id
         WHERE assignment.config_offer_id IS DISTINCT FROM event.config_offer_id
           AND {of("event.programme_id")}
        """,
    ),
    Check(
        "assignment_not_told_once",
        "The creation of an assignment that is of no run is told by name, once.",
        f"""
        WITH told AS (
            SELECT named.id, count(*) AS n
              FROM loyalty_outboxevent AS event, unnest(event.assignment_ids) AS named (id)
             WHERE event.type = 'assignment.created'
             GROUP BY named.id
        )
        SELECT assignment.id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
          LEFT JOIN told ON told.id = assignment.id
         WHERE coalesce(told.n, 0) <> CASE WHEN assignment.run_id IS NULL THEN 1 ELSE 0 END
           AND {of("offer.programme_id")}
        """,
    ),
    Check(
        "chunk_not_told_once",
        "The creations of a chunk are told by its number, once, with how many they were.",
        f"""
        WITH told AS (
            SELECT run_id, chunk AS number, count(*) AS events, sum(size) AS n
              FROM loyalty_outboxevent
             WHERE type = 'assignment.created' AND run_id IS NOT NULL
             GROUP BY run_id, chunk
        ), made AS (
            SELECT chunk.run_id, chunk.number, chunk.assigned AS n, run.programme_id
              FROM offers_massassignmentchunk AS chunk
              JOIN offers_massassignment AS run ON run.id = chunk.run_id
        )
        SELECT run_id || '/' || number AS id
          FROM told
          FULL JOIN made USING (run_id, number)
         WHERE (coalesce(told.n, 0) <> coalesce(made.n, 0) OR told.events > 1)
           AND {of("made.programme_id")}
        """,
    ),
]
