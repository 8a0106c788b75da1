"""Assignments and what hangs on them: one holder a key, one programme, moments in order (D-01, S0-11)."""

from offers.models import Source
from offers.selectors.integrity.check import Check, of

# What happens to an assignment happens after it was issued, and no code is shown before its till knows of it.
_AFTER_ISSUING = ("synchronized_at", "exposed_at", "seen_at", "used_up_at", "revoked_at", "closed_at")

CHECKS = [
    Check(
        "offer_held_twice",
        "A member holds an offer once under one key.",
        f"""
        SELECT assignment.member_id || '/' || assignment.config_offer_id AS id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
         WHERE assignment.holding_key IS NOT NULL AND {of("offer.programme_id")}
         GROUP BY assignment.member_id, assignment.config_offer_id, assignment.holding_key
        HAVING count(*) > 1
        """,
    ),
    Check(
        "holding_key_against_policy",
        "An assignment holds its offer under the key of the offer's repeat policy until something frees it.",
        f"""
        SELECT assignment.id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
         WHERE {of("offer.programme_id")}
           AND CASE
               WHEN assignment.revoked_at IS NOT NULL OR offer.repeat_policy = 'unlimited'
               THEN assignment.holding_key IS NOT NULL
               WHEN offer.repeat_policy = 'once_ever'
               THEN assignment.holding_key IS DISTINCT FROM 0 AND assignment.closed_at IS NULL
               WHEN offer.repeat_policy = 'once_per_campaign'
               THEN assignment.holding_key IS DISTINCT FROM assignment.campaign_id AND assignment.closed_at IS NULL
               -- One open at a time: whoever asks next frees what has expired.
               WHEN assignment.used_up_at IS NOT NULL OR assignment.closed_at IS NOT NULL
               THEN assignment.holding_key IS NOT NULL
               WHEN assignment.ends_at <= clock_timestamp()
               THEN assignment.holding_key <> -1
               ELSE assignment.holding_key IS DISTINCT FROM -1
               END
        """,
    ),
    Check(
        "moments_out_of_order",
        "Nothing happens to an assignment before it is issued; showing and accepting follow its synchronization.",
        f"""
        SELECT assignment.id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
          -- Accepted in its place, and kept: what an import changed is not what the member had accepted (D-14).
          LEFT JOIN offers_assignment AS kept
            ON kept.id = assignment.replaces_id AND assignment.source = {int(Source.ATTRIBUTE)}
           AND kept.accepted_at = assignment.accepted_at
         WHERE {of("offer.programme_id")}
           AND (least({", ".join(f"assignment.{moment}" for moment in _AFTER_ISSUING)}) < assignment.issued_at
                OR assignment.exposed_at < coalesce(assignment.synchronized_at, 'infinity')
                OR (kept.id IS NULL AND (assignment.accepted_at < assignment.issued_at
                    OR assignment.accepted_at < coalesce(assignment.synchronized_at, 'infinity')))
                OR assignment.ends_at <= assignment.starts_at)
        """,
    ),
    Check(
        "assignment_of_another_offer",
        "An assignment's template, revision and run are its offer's.",
        f"""
        SELECT assignment.id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
          LEFT JOIN offers_offertemplate AS template ON template.id = assignment.template_id
          LEFT JOIN offers_offerrevision AS revision ON revision.id = assignment.revision_id
          LEFT JOIN offers_massassignment AS run ON run.id = assignment.run_id
         WHERE {of("offer.programme_id")}
           AND (template.config_offer_id <> assignment.config_offer_id
                OR revision.config_offer_id <> assignment.config_offer_id
                OR run.config_offer_id <> assignment.config_offer_id)
        """,
    ),
    Check(
        "assignment_across_programmes",
        "An assignment's member and campaign are of its offer's programme.",
        f"""
        SELECT assignment.id
          FROM offers_assignment AS assignment
          JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
          JOIN loyalty_member AS member ON member.id = assignment.member_id
          LEFT JOIN offers_campaign AS campaign ON campaign.id = assignment.campaign_id
         WHERE {of("offer.programme_id")}
           AND (member.programme_id <> offer.programme_id OR campaign.programme_id <> offer.programme_id)
        """,
    ),
    Check(
        "door_entry_across_programmes",
        "A door's entry speaks of a member and an assignment of its own programme.",
        f"""
        SELECT entry.id
          FROM offers_doorentry AS entry
          LEFT JOIN loyalty_member AS member ON member.id = entry.member_id
          LEFT JOIN offers_assignment AS assignment ON assignment.id = entry.assignment_id
          LEFT JOIN offers_configoffer AS offer ON offer.id = assignment.config_offer_id
         WHERE {of("entry.programme_id")}
           AND (member.programme_id <> entry.programme_id OR offer.programme_id <> entry.programme_id)
        """,
    ),
    Check(
        "door_entry_against_its_answer",
        "A door's entry that answered with an assignment names it, and no other one does.",
        f"""
        SELECT entry.id
          FROM offers_doorentry AS entry
         WHERE {of("entry.programme_id")}
           AND ((entry.answer ->> 'outcome' = 'assigned') IS DISTINCT FROM (entry.assignment_id IS NOT NULL)
                OR entry.answer ->> 'assignment' IS DISTINCT FROM entry.assignment_id::text)
        """,
    ),
    Check(
        "redemption_out_of_place",
        "A redemption's member, offer and assignment are of its programme, and the assignment is of its offer.",
        f"""
        SELECT redemption.id
          FROM offers_redemption AS redemption
          JOIN loyalty_member AS member ON member.id = redemption.member_id
          JOIN offers_configoffer AS offer ON offer.id = redemption.config_offer_id
          LEFT JOIN offers_assignment AS assignment ON assignment.id = redemption.assignment_id
         WHERE {of("redemption.programme_id")}
           AND (member.programme_id <> redemption.programme_id
                OR offer.programme_id <> redemption.programme_id
                OR assignment.config_offer_id <> redemption.config_offer_id)
        """,
    ),
]
