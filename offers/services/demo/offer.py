"""Each pair of a coupon and a campaign as a published config offer over its products, written in bulk."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from loyalty.models import ProductGroup, Programme, User
from loyalty.services.demo import copying
from loyalty.services.demo.source import leading_coupons
from offers import rules
from offers.models import ConfigOffer, OfferRevision, OfferTemplate, VoucherBank
from offers.services.demo import benefit
from offers.services.demo.facts import CouponFacts

# Coupons of campaigns of this type need a code each.
WITH_CODES = "Type C"
# A campaign's leading coupon stands before the others in a member's list.
LEADING_RANK = 10


def load(*, programme: Programme, facts: Mapping[str, CouponFacts], actor: User, now: datetime) -> int:
    """Make and publish the offers that are missing, all or none; returns how many.

    What `catalogue.publish` makes is made here for all at once: the first revision, the default template, the bank.
    """
    known = set(ConfigOffer.objects.filter(programme=programme).values_list("offer_reference", flat=True))
    missing = [one for reference, one in facts.items() if reference not in known]
    if not missing:
        return 0
    leading = {one.reference for one in leading_coupons([one.coupon for one in facts.values()])}
    with transaction.atomic():
        _groups(programme, missing, now)
        offers = ConfigOffer.objects.bulk_create(
            [_offer(programme, one, one.coupon.reference in leading) for one in missing]
        )
        OfferRevision.objects.bulk_create(
            [
                OfferRevision(
                    config_offer=offer,
                    number=1,
                    name=offer.name,
                    description=offer.description,
                    image_url=offer.image_url,
                    web_page_url=offer.web_page_url,
                    terms=offer.terms,
                    texts=offer.texts,
                    published_at=now,
                    published_by=actor,
                )
                for offer in offers
            ]
        )
        ConfigOffer.objects.filter(pk__in=[one.pk for one in offers]).update(
            current_revision=Subquery(OfferRevision.objects.filter(config_offer=OuterRef("pk")).values("pk")),
            state=ConfigOffer.State.PUBLISHED,
            published_at=now,
            updated_at=now,
        )
        OfferTemplate.objects.bulk_create(
            [
                OfferTemplate(programme=programme, config_offer=offer, name=offer.name, is_default=True)
                for offer in offers
            ]
        )
        VoucherBank.objects.bulk_create(
            [VoucherBank(programme=programme, config_offer=offer) for offer in offers if offer.require_vouchers]
        )
    return len(offers)


def _offer(programme: Programme, one: CouponFacts, is_leading: bool) -> ConfigOffer:
    coupon = one.coupon
    terms = benefit.terms(
        upc=coupon.upc,
        price_minor=one.price_minor,
        days=coupon.campaign.days,
        most_uses=coupon.most_by_household,
        group=one.group,
    )
    require_vouchers = coupon.campaign.type == WITH_CODES
    return ConfigOffer(
        programme=programme,
        offer_reference=coupon.reference,
        external_id=f"coupon-{coupon.reference}",
        name=one.name,
        description=_description(one),
        image_url=f"{settings.STATIC_URL}offers/demo/{one.picture}.svg",
        to_synchronize=benefit.is_synchronized_by_till(coupon.upc),
        require_vouchers=require_vouchers,
        rank=LEADING_RANK if is_leading else 100,
        # Parsed: what is stored is the canonical form, as from any other door.
        terms=rules.parse(terms).data(),
        texts={"en": _texts(require_vouchers)},
    )


def _description(one: CouponFacts) -> str:
    count = len(one.coupon.products)
    pieces = "one product" if count == 1 else f"{count:,} products"
    examples = "; ".join(one.examples[:1] + tuple(text[:1].lower() + text[1:] for text in one.examples[1:]))
    return f"Good for {pieces} at Laurel Market: {examples}." if examples else f"Good for {pieces} at Laurel Market."


def _texts(require_vouchers: bool) -> dict[str, Any]:
    use = (
        "Show the code at the till before you pay, or type it in at the web shop's checkout."
        if require_vouchers
        else "Give your phone number or show your card at the till. The offer comes off by itself."
    )
    return {"how_to_use": use, "conditions": "Not with other offers on the same product. While stocks last."}


def _groups(programme: Programme, missing: list[CouponFacts], now: datetime) -> None:
    """A product group for each coupon: some have thousands of products, and a rule only names the group."""
    groups = ProductGroup.objects.bulk_create(
        [
            ProductGroup(
                programme=programme,
                external_id=one.group,
                name=f"Coupon {one.coupon.upc} of campaign {one.coupon.campaign.number}",
            )
            for one in missing
        ]
    )
    copying.stage(
        pa.table(
            {
                "group_id": pa.array(
                    [
                        group.pk
                        for group, one in zip(groups, missing, strict=True)
                        for _ in range(len(one.coupon.products))
                    ],
                    pa.int64(),
                ),
                "product": pa.array([product for one in missing for product in one.coupon.products], pa.int64()),
            }
        ),
        "arriving_group",
        {"group_id": "bigint"},
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO loyalty_productgroup_products (productgroup_id, product_id)
            SELECT arriving.group_id, product.id
              FROM arriving_group AS arriving
              JOIN loyalty_product AS product
                ON product.programme_id = %(programme)s AND product.external_id = arriving.product
             ORDER BY 1, 2
            """,
            {"programme": programme.pk},
        )
