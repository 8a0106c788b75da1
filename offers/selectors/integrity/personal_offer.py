"""Personal offers by attribute: what counts for a member is what an import gave her (S1-03..06, D-14)."""

from offers.models import Source
from offers.selectors.integrity.check import Check, of

CHECKS = [
    Check(
        "personal_value_out_of_place",
        "An attribute, its member, its import and its assignment are of one offer and programme.",
        f"""
        SELECT value.id
          FROM offers_personaloffervalue AS value
          JOIN offers_configoffer AS offer ON offer.id = value.config_offer_id
          JOIN loyalty_member AS member ON member.id = value.member_id
          JOIN offers_personalofferimport AS upload ON upload.id = value.upload_id
          JOIN offers_assignment AS assignment ON assignment.id = value.assignment_id
         WHERE {of("offer.programme_id")}
           AND (member.programme_id <> offer.programme_id
                OR upload.config_offer_id <> offer.id
                OR upload.programme_id <> offer.programme_id
                OR assignment.config_offer_id <> offer.id
                OR assignment.member_id <> value.member_id
                OR assignment.source <> {int(Source.ATTRIBUTE)})
        """,
    ),
    Check(
        "personal_value_without_its_row",
        "An attribute is what a row of its import says, and that row gave its assignment, with these terms.",
        f"""
        SELECT value.id
          FROM offers_personaloffervalue AS value
          JOIN offers_configoffer AS offer ON offer.id = value.config_offer_id
          JOIN offers_assignment AS assignment ON assignment.id = value.assignment_id
         WHERE {of("offer.programme_id")}
           AND NOT EXISTS (
                SELECT FROM offers_personalofferrow AS row
                 WHERE row.upload_id = value.upload_id AND row.member_id = value.member_id
                   AND row.outcome IN ('new', 'changed') AND row.assignment_id = value.assignment_id
                   AND row.digest = value.digest AND row.core_digest = value.core_digest
                   AND row.terms = assignment.terms
           )
        """,
    ),
    Check(
        "personal_offer_without_its_value",
        "What an import gave and nobody ended is what its member's attribute points at.",
        f"""
        SELECT assignment.id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
         WHERE {of("offer.programme_id")}
           AND assignment.source = {int(Source.ATTRIBUTE)}
           AND assignment.revoked_at IS NULL AND assignment.closed_at IS NULL AND assignment.used_up_at IS NULL
           AND (assignment.ends_at IS NULL OR assignment.ends_at > clock_timestamp())
           AND NOT EXISTS (
                SELECT FROM offers_personaloffervalue AS value
                 WHERE value.config_offer_id = assignment.config_offer_id AND value.member_id = assignment.member_id
                   AND value.assignment_id = assignment.id
           )
        """,
    ),
    Check(
        "personal_import_out_of_place",
        "An import is of its offer's programme, and so are its rows' members.",
        f"""
        SELECT upload.id
          FROM offers_personalofferimport AS upload
          JOIN offers_configoffer AS offer ON offer.id = upload.config_offer_id
         WHERE {of("upload.programme_id")}
           AND (offer.programme_id <> upload.programme_id
                OR EXISTS (
                    SELECT FROM offers_personalofferrow AS row
                      JOIN loyalty_member AS member ON member.id = row.member_id
                     WHERE row.upload_id = upload.id AND member.programme_id <> upload.programme_id
                ))
        """,
    ),
    Check(
        "personal_import_half_done",
        "A finished import answered each of its rows, and rows behind what is done have no answer but a problem.",
        f"""
        SELECT upload.id
          FROM offers_personalofferimport AS upload
         WHERE {of("upload.programme_id")}
           AND ((upload.state = 'finished' AND upload.done_to <> upload.last_number)
                OR EXISTS (
                    SELECT FROM offers_personalofferrow AS row
                     WHERE row.upload_id = upload.id
                       AND CASE WHEN row.number <= upload.done_to THEN row.outcome IS NULL
                                ELSE row.outcome <> 'faulty' END
                )
                OR EXISTS (
                    SELECT FROM offers_personalofferpart AS part
                     WHERE part.upload_id = upload.id AND upload.state NOT IN ('received', 'failed')
                ))
        """,
    ),
    Check(
        "personal_import_miscounted",
        "What a finished import says it did is what its rows say.",
        f"""
        WITH counted AS (
            SELECT row.upload_id, row.outcome, count(*) AS n
              FROM offers_personalofferrow AS row
             GROUP BY row.upload_id, row.outcome
        ), said AS (
            SELECT upload.id AS upload_id, one.key AS outcome, one.value::bigint AS n
              FROM offers_personalofferimport AS upload, jsonb_each_text(upload.counts) AS one
             WHERE upload.state = 'finished' AND one.key NOT LIKE 'acceptance%%'
        )
        SELECT upload.id
          FROM offers_personalofferimport AS upload
         WHERE {of("upload.programme_id")}
           AND upload.state = 'finished'
           AND EXISTS (
                SELECT FROM (SELECT * FROM counted WHERE counted.upload_id = upload.id) AS counted
                  FULL JOIN (SELECT * FROM said WHERE said.upload_id = upload.id) AS said USING (outcome)
                 WHERE counted.n IS DISTINCT FROM said.n
           )
        """,
    ),
    Check(
        "personal_row_against_its_answer",
        "A row has an assignment when it gave one, left one or was refused another, and problems when it is left out.",
        f"""
        SELECT row.id
          FROM offers_personalofferrow AS row
          JOIN offers_personalofferimport AS upload ON upload.id = row.upload_id
         WHERE {of("upload.programme_id")}
           AND ((row.outcome = 'faulty') IS DISTINCT FROM (row.problems IS NOT NULL)
                    AND (row.outcome = 'faulty' OR row.problems IS NOT NULL)
                OR (row.outcome IN ('new', 'changed', 'unchanged') AND row.assignment_id IS NULL)
                OR (row.outcome = 'changed' AND row.previous_id IS NULL)
                OR (row.outcome = 'refused' AND row.reasons IS NULL))
        """,
    ),
]
