"""Personalized promotions of the house: what those who buy most may choose their discount on (S2-01..09)."""

from datetime import datetime
from typing import Any

from django.db.models import Count

from loyalty.models import Member, Product, Programme, User
from offers.models import PersonalizedPromotion, PromotionProductList, Source
from offers.services import promotion, promotion_enrolment, promotion_list
from offers.services.verb import By

# backend id: values of the promotion, the category its products come from, how many of them, for how many members.
PROMOTIONS: dict[str, tuple[dict[str, Any], str, int, int]] = {
    "pick-your-drinks": (
        {
            "name": "Pick your drinks",
            "description": "Choose the two soft drinks that you want a discount on. The choice is yours, once.",
            "maximum_distinct_products": 2,
            "lock_after_first_apply": True,
        },
        "grocery.soft-drinks",
        12,
        60,
    ),
    "cheese-board": (
        {
            "name": "Your cheese board",
            "description": "Choose as many cheeses as you like, and change your mind whenever you like.",
            "maximum_distinct_products": None,
            "lock_after_first_apply": False,
        },
        "grocery.cheese",
        8,
        40,
    ),
}


def load(*, programme: Programme, actor: User, now: datetime) -> int:
    """Make what is missing through the services, and enlist who bought most often; return how many there are."""
    by = By(Source.API, actor)
    for backend_id, (values, category, products, members) in PROMOTIONS.items():
        if PersonalizedPromotion.objects.filter(programme=programme, backend_id=backend_id).exists():
            continue
        sold = _products(programme, category, products)
        if not sold:
            # A small cut of the data may lack the category.
            continue
        made = promotion.create(programme=programme, values=values | {"backend_id": backend_id}, by=by)
        chosen_from = promotion_list.create(
            promotion=made, name=made.name, external_id="", products=sold, default_product=sold[0], by=by
        )
        promotion_enrolment.assign(product_list=chosen_from, members=_members(programme, members), by=by, now=now)
    return PromotionProductList.objects.filter(promotion__programme=programme).count()


def _products(programme: Programme, category: str, most: int) -> list[str]:
    found = Product.objects.filter(programme=programme, category__external_id=category, is_listed=True)
    return list(found.order_by("external_id").values_list("external_id", flat=True)[:most])


def _members(programme: Programme, most: int) -> list[str]:
    found = Member.objects.filter(programme=programme, status=Member.Status.ACTIVE)
    often = found.annotate(receipts=Count("purchases")).order_by("-receipts", "pk")
    return list(often.values_list("external_id", flat=True)[:most])
