"""Which products an offer is for, from its terms (S1-19): for pages, so bounded and counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from loyalty.models import Category, Product


@dataclass(frozen=True, slots=True)
class OfferProducts:
    """`is_everything` is an offer without the rule; then nothing is listed."""

    is_everything: bool
    count: int
    items: list[Product]


def products(*, programme_id: int, terms: Mapping[str, Any], limit: int = 50) -> OfferProducts:
    """Return how many products the terms name, directly, by group or by category, and the first ones by name."""
    rule = terms.get("products") or _of_personal(terms.get("personal") or {})
    if not rule:
        return OfferProducts(is_everything=True, count=0, items=[])
    named = Q(external_id__in=rule.get("products", ()))
    if groups := rule.get("groups"):
        # A subquery rather than a join: a product in two of the groups is still one.
        named |= Q(
            pk__in=Product.groups.through.objects.filter(
                productgroup__programme_id=programme_id, productgroup__external_id__in=groups
            ).values("product_id")
        )
    if categories := rule.get("categories"):
        found = _with_descendants(programme_id=programme_id, external_ids=categories)
        named |= Q(category__in=found) | Q(department__in=found)
    matching = Product.objects.filter(named, programme_id=programme_id, is_listed=True)
    return OfferProducts(is_everything=False, count=matching.count(), items=list(matching.order_by("name")[:limit]))


def _of_personal(personal: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what a member's own items are on, as the rule about products says it."""
    items = personal.get("items")
    return {personal["mechanic"]: [item["external_id"] for item in items]} if items else {}


def _with_descendants(*, programme_id: int, external_ids: list[str]) -> QuerySet[Category]:
    # Two levels: departments and their categories (DESIGN: depth 0 and 1).
    here = Q(external_id__in=external_ids) | Q(parent__external_id__in=external_ids)
    return Category.objects.filter(here, programme_id=programme_id)
