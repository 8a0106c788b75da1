"""Limits: what a row says was given is what assignments, and the runs at work, say (D-05)."""

from offers.selectors.integrity.check import Check, of
from offers.selectors.limit import COUNTS

# What was given by an owner and not taken back unused, and what runs at work have reserved and not given yet.
_GIVEN = f"""
    SELECT given.{{owner}}, count(*) AS n, sum(given.exposure_minor) AS spent
      FROM offers_assignment AS given
     WHERE {COUNTS} AND given.{{owner}} IN (SELECT {{owner}} FROM offers_limit)
     GROUP BY given.{{owner}}
"""
_RESERVED = """
    SELECT one.limit_id, sum(one.size - done.assigned) AS n,
           sum(coalesce(one.exposure_total_minor, one.size * one.exposure_minor)
               - coalesce(done.spent, done.assigned * one.exposure_minor)) AS spent
      FROM offers_limitreservation AS one
     CROSS JOIN LATERAL (
            SELECT coalesce(sum(chunk.assigned), 0) AS assigned, sum(chunk.exposure_minor) AS spent
              FROM offers_massassignmentchunk AS chunk WHERE chunk.run_id = one.run_id
           ) AS done
     WHERE one.released_at IS NULL
     GROUP BY one.limit_id
"""

CHECKS = [
    Check(
        "limit_miscounted",
        "A limit's counts are what was given and not taken back unused, with what runs at work still have to give.",
        f"""
        WITH by_offer AS ({_GIVEN.format(owner="config_offer_id")}),
             by_campaign AS ({_GIVEN.format(owner="campaign_id")}),
             reserved AS ({_RESERVED})
        SELECT counted.id
          FROM offers_limit AS counted
          LEFT JOIN by_offer ON by_offer.config_offer_id = counted.config_offer_id
          LEFT JOIN by_campaign ON by_campaign.campaign_id = counted.campaign_id
          LEFT JOIN reserved ON reserved.limit_id = counted.id
          LEFT JOIN offers_configoffer AS offer ON offer.id = counted.config_offer_id
          LEFT JOIN offers_campaign AS campaign ON campaign.id = counted.campaign_id
         WHERE {of("coalesce(offer.programme_id, campaign.programme_id)")}
           -- One that is being counted says what was added to it.
           AND counted.counted_at IS NOT NULL
           AND (counted.assigned <> coalesce(by_offer.n, by_campaign.n, 0) + coalesce(reserved.n, 0)
                OR counted.spent_minor <> coalesce(by_offer.spent, by_campaign.spent, 0) + coalesce(reserved.spent, 0))
        """,
    ),
    Check(
        "limit_share_left_behind",
        "A run that is over holds no share of a limit.",
        f"""
        SELECT one.id
          FROM offers_limitreservation AS one
          JOIN offers_massassignment AS run ON run.id = one.run_id
         WHERE one.released_at IS NULL
           AND run.state IN ('finished', 'finished_with_errors', 'failed', 'undone')
           AND {of("run.programme_id")}
        """,
    ),
    Check(
        "member_miscounted",
        "Where a campaign limits offers per member, each one's count is what she was given and will be given by runs.",
        f"""
        WITH limited AS (
            SELECT campaign_id FROM offers_limit WHERE per_member IS NOT NULL AND members_counted_at IS NOT NULL
        ), held AS (
            SELECT campaign_id, member_id, count(*) AS n
              FROM (
                    SELECT campaign_id, member_id FROM offers_assignment AS given
                     WHERE {COUNTS} AND campaign_id IN (SELECT campaign_id FROM limited)
                     UNION ALL
                    SELECT run.campaign_id, audience.member_id
                      FROM offers_massassignment AS run
                      JOIN offers_limitreservation AS one ON one.run_id = run.id AND one.released_at IS NULL
                      JOIN offers_limit AS owner ON owner.id = one.limit_id AND owner.campaign_id = run.campaign_id
                      JOIN offers_audiencemember AS audience
                        ON audience.run_id = run.id AND audience.ordinal IS NOT NULL
                      JOIN offers_massassignmentchunk AS chunk
                        ON chunk.run_id = run.id
                       AND audience.member_id BETWEEN chunk.first_member_id AND chunk.last_member_id
                     WHERE audience.outcome IS NOT NULL OR chunk.done_at IS NULL
                   ) AS counted
             GROUP BY campaign_id, member_id
        )
        SELECT coalesce(counted.campaign_id, held.campaign_id) || '/'
               || coalesce(counted.member_id, held.member_id) AS id
          FROM held
          FULL JOIN offers_membercount AS counted USING (campaign_id, member_id)
          JOIN offers_campaign AS campaign ON campaign.id = coalesce(counted.campaign_id, held.campaign_id)
         WHERE coalesce(held.n, 0) <> coalesce(counted.assigned, 0)
           AND campaign.id IN (SELECT campaign_id FROM limited)
           AND {of("campaign.programme_id")}
        """,
    ),
]
