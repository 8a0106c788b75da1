"""Finding personalized promotions and their product lists, with how many members hold and have chosen (S2-04)."""

from typing import TYPE_CHECKING, TypedDict

from django.db.models import Count, Exists, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from loyalty import whole_number
from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import (
    PersonalizedPromotion,
    PromotionEnrolment,
    PromotionEvent,
    PromotionListItem,
    PromotionProductList,
)

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Counts(TypedDict):
        list_count: int
        enrolled: int
        chosen: int

    class ListCounts(TypedDict):
        product_count: int
        enrolled: int
        chosen: int

    class Use(TypedDict):
        is_in_use: bool

    CountedPromotion = WithAnnotations[PersonalizedPromotion, Counts]
    CountedList = WithAnnotations[PromotionProductList, ListCounts]

HISTORY = 50


class PromotionNotFound(NotFound):
    """The programme has no such promotion."""

    code = "unknown_promotion"


class ProductListNotFound(NotFound):
    """The promotion has no such product list."""

    code = "unknown_product_list"


def promotions(
    *,
    programme: Programme,
    text: str = "",
    backend_id: str = "",
    is_locking: bool | None = None,
    is_in_use: bool | None = None,
    is_archived: bool | None = None,
) -> "QuerySet[CountedPromotion]":
    """Return the programme's promotions with their counts, filtered; in use is one that some member holds.

    `backend_id` is the beginning of one. The counts leave out who was withdrawn.
    """
    held = PromotionEnrolment.objects.filter(promotion=OuterRef("pk"), withdrawn_at__isnull=True)
    found = PersonalizedPromotion.objects.filter(programme=programme)
    for word in text.split():
        found = found.filter(Q(name__icontains=word) | Q(description__icontains=word) | Q(backend_id__icontains=word))
    if backend_id:
        found = found.filter(backend_id__startswith=backend_id)
    if is_locking is not None:
        found = found.filter(lock_after_first_apply=is_locking)
    if is_archived is not None:
        found = found.filter(archived_at__isnull=not is_archived)
    if is_in_use is not None:
        found = found.filter(Exists(held) if is_in_use else ~Exists(held))
    lists = PromotionProductList.objects.filter(promotion=OuterRef("pk"))
    return found.annotate(
        list_count=_count(lists, "promotion"),
        enrolled=_count(held, "promotion"),
        chosen=_count(held.filter(chosen_at__isnull=False), "promotion"),
    )


def _count(found: QuerySet, group: str) -> Coalesce:
    counted = found.order_by().values(group).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def find(*, programme: Programme, by: str = "backend_id", key: str) -> "CountedPromotion":
    """Return the promotion with that BackendID, or id, archived ones too. Raises PromotionNotFound."""
    found = None
    if by != "id" or whole_number.read(key) is not None:
        found = promotions(programme=programme).filter(**{by: key}).select_related("programme").first()
    if found is None:
        raise PromotionNotFound(f"There is no promotion with the {by} “{key}”.", by=by, key=key)
    return found


def was_assigned(*, promotion: PersonalizedPromotion) -> bool:
    """Say whether anybody was ever enlisted in it: then it is archived rather than deleted."""
    return PromotionEnrolment.objects.filter(promotion=promotion).exists()


def lists(*, promotion: PersonalizedPromotion) -> "QuerySet[CountedList]":
    """Return the promotion's lists by name, with how many products they have and how many members hold and chose."""
    held = PromotionEnrolment.objects.filter(product_list=OuterRef("pk"), withdrawn_at__isnull=True)
    items = PromotionListItem.objects.filter(product_list=OuterRef("pk"))
    return PromotionProductList.objects.filter(promotion=promotion).annotate(
        product_count=_count(items, "product_list"),
        enrolled=_count(held, "product_list"),
        chosen=_count(held.filter(chosen_at__isnull=False), "product_list"),
    )


def with_products(found: QuerySet) -> QuerySet:
    """Return lists with their products in order, for all of them in one query."""
    return found.prefetch_related(
        Prefetch("items", queryset=PromotionListItem.objects.select_related("product").order_by("position"))
    )


def find_list(*, promotion: PersonalizedPromotion, external_id: str) -> "CountedList":
    """Return the promotion's list with that external id, with its products. Raises ProductListNotFound."""
    found = with_products(lists(promotion=promotion)).select_related("promotion__programme")
    one = found.filter(external_id=external_id).first()
    if one is None:
        raise ProductListNotFound(f"There is no product list “{external_id}” here.", external_id=external_id)
    return one


def history(*, promotion: PersonalizedPromotion) -> list[PromotionEvent]:
    """Return the newest of what happened to the promotion's members, with who did it; one query.

    Whatever happens to an enrolment changes its row too, so the newest events are of those that changed last: of a
    hundred thousand others nothing is read.
    """
    last = PromotionEnrolment.objects.filter(promotion=promotion).order_by("-updated_at", "-id")[:HISTORY]
    found = PromotionEvent.objects.filter(enrolment__in=last.values("pk"))
    return list(found.select_related("enrolment__member", "actor", "api_client").order_by("-id")[:HISTORY])
