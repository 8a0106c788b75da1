"""What households redeemed in the year, each with its assignment where there is one."""

from collections.abc import Mapping

import pyarrow as pa
from django.db import connection, transaction

from loyalty.models import Programme
from loyalty.services.demo import copying
from loyalty.services.demo.programme import Dates
from loyalty.services.demo.source import Source
from offers.services.demo import benefit
from offers.services.demo.facts import CouponFacts

# The data has days; noon shows the right one in every zone near.
NOON = 12


def load(*, programme: Programme, source: Source, facts: Mapping[str, CouponFacts], dates: Dates) -> int:
    """Make the redemptions that are missing, and link those whose assignment came since; returns how many were made."""
    rows = []
    for one in source.redemptions:
        coupon = one.coupon
        known = facts[coupon.reference]
        worth, points = benefit.worth(benefit.benefit(upc=coupon.upc, price_minor=known.price_minor), known.price_minor)
        rows.append(
            {
                "external_id": f"{coupon.reference}-{one.household}-{one.redeemed_on:%Y%m%d}",
                "member": str(one.household),
                "offer": coupon.reference,
                "campaign": str(coupon.campaign.number),
                "redeemed_at": dates.moved(one.redeemed_on.replace(hour=NOON)),
                "benefit_minor": worth,
                "points": points,
            }
        )
    if not rows:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        copying.stage(
            pa.Table.from_pylist(rows),
            "arriving_redemption",
            {"redeemed_at": "timestamptz", "benefit_minor": "bigint", "points": "integer"},
        )
        parameters = {"programme": programme.pk}
        cursor.execute(
            """
            INSERT INTO offers_redemption
                   (programme_id, member_id, config_offer_id, external_id, redeemed_at, benefit_minor, points)
            SELECT %(programme)s, member.id, offer.id, arriving.external_id, arriving.redeemed_at,
                   arriving.benefit_minor, arriving.points
              FROM arriving_redemption AS arriving
              JOIN loyalty_member AS member
                ON member.programme_id = %(programme)s AND member.external_id = arriving.member
              JOIN offers_configoffer AS offer
                ON offer.programme_id = %(programme)s AND offer.offer_reference = arriving.offer
             ORDER BY arriving.redeemed_at, arriving.external_id
                ON CONFLICT (programme_id, external_id) DO NOTHING
            """,
            parameters,
        )
        made = cursor.rowcount
        cursor.execute(
            """
            UPDATE offers_redemption AS redemption
               SET assignment_id = assignment.id
              FROM arriving_redemption AS arriving, offers_campaign AS campaign, offers_assignment AS assignment
             WHERE redemption.programme_id = %(programme)s
               AND redemption.external_id = arriving.external_id
               AND redemption.assignment_id IS NULL
               AND campaign.programme_id = %(programme)s
               AND campaign.external_id = arriving.campaign
               AND assignment.member_id = redemption.member_id
               AND assignment.config_offer_id = redemption.config_offer_id
               AND assignment.holding_key = campaign.id
            """,
            parameters,
        )
    return made
