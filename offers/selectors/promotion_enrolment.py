"""Who holds a promotion, what she may choose and what she chose (S2-02, S2-09, S2-11); a fixed number of queries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet, TextField, Value
from django.db.models.functions import Concat

from loyalty import names
from loyalty.errors import NotFound
from loyalty.models import Member, Product
from loyalty.models.member import NameKey
from loyalty.selectors import member as members
from offers.models import (
    PersonalizedPromotion,
    PromotionChoice,
    PromotionEnrolment,
    PromotionListItem,
    PromotionProductList,
)

# A text that begins more members' names and ids says little about who is meant.
MOST_FOUND = 1000
NAME = NameKey(Concat("member__first_name", Value(" "), "member__last_name", output_field=TextField()))
STATES = ("not_chosen", "chosen", "locked", "withdrawn")


class EnrolmentNotFound(NotFound):
    """She was never enlisted in this promotion, or it was taken from her."""

    code = "not_enlisted"


@dataclass(frozen=True)
class Line:
    """A product of her list, and whether she chose it."""

    product: Product
    is_chosen: bool
    is_default: bool


@dataclass(frozen=True)
class Held:
    """A member's promotion as it is shown: her list in order, what she chose of it, and whether that may change."""

    enrolment: PromotionEnrolment
    lines: Sequence[Line]

    @property
    def promotion(self) -> PersonalizedPromotion:
        return self.enrolment.promotion

    @property
    def chosen(self) -> list[Product]:
        return [line.product for line in self.lines if line.is_chosen]

    @property
    def default(self) -> Product | None:
        return next((line.product for line in self.lines if line.is_default), None)

    @property
    def counting(self) -> list[Product]:
        """Return what counts at the till: her choice, or the list's default where she made none (S2-19)."""
        return self.chosen or ([self.default] if self.default else [])

    @property
    def most(self) -> int:
        """Return how many of the list she may choose (S2-06, S2-07)."""
        maximum = self.promotion.maximum_distinct_products
        return len(self.lines) if maximum is None else min(maximum, len(self.lines))

    @property
    def can_change(self) -> bool:
        return not self.enrolment.is_locked and self.enrolment.withdrawn_at is None


def enrolments(
    *,
    promotion: PersonalizedPromotion,
    product_list: PromotionProductList | None = None,
    state: str = "",
    text: str = "",
) -> QuerySet[PromotionEnrolment]:
    """Return a promotion's members with their lists and choices, or one list's; two queries, however many.

    `state` is one of STATES, or empty: everybody who is not withdrawn. `text` is the beginning of an external id, or
    of the words of a name; those are looked for at once, in at most four more queries.
    """
    found = PromotionEnrolment.objects.filter(promotion=promotion).select_related(
        "member", "product_list", "promotion", "actor", "api_client"
    )
    if product_list is not None:
        found = found.filter(product_list=product_list)
    found = found.filter(withdrawn_at__isnull=state != "withdrawn")
    if state in ("not_chosen", "chosen"):
        found = found.filter(chosen_at__isnull=state == "not_chosen")
    elif state == "locked":
        found = found.filter(locked_at__isnull=False)
    if text:
        begun = members.begun(programme=promotion.programme, text=text, most=MOST_FOUND)
        # So many that the next page's are soon met, whoever else stands between them.
        found = _begun(found, text) if begun is None else found.filter(member__in=begun)
    chosen = PromotionChoice.objects.select_related("item__product").order_by("item__position")
    return found.prefetch_related(Prefetch("choices", queryset=chosen))


def _begun(found: QuerySet[PromotionEnrolment], text: str) -> QuerySet[PromotionEnrolment]:
    """Keep the members whom `members.begun` would find, told one by one; one query for the words."""
    known = Q(member__external_id__startswith=text)
    patterns = names.patterns(text)
    if not patterns:
        return found.filter(known)
    named = ~Q(member__status=Member.Status.ERASED)
    for pattern in patterns:
        named &= Q(full_name__regex=pattern)
    return found.alias(full_name=NAME).filter(known | named)


def find(*, promotion: PersonalizedPromotion, member_id: int) -> PromotionEnrolment:
    """Return the member's enrolment in the promotion, a withdrawn one too. Raises EnrolmentNotFound."""
    found = PromotionEnrolment.objects.filter(promotion=promotion, member_id=member_id)
    one = found.select_related("promotion__programme", "product_list", "member").first()
    if one is None:
        raise EnrolmentNotFound("This member is not enlisted in this promotion.")
    return one


def of_member(*, member: Member, with_withdrawn: bool = False) -> list[Held]:
    """Return the member's promotions, the newest first, as they are shown; three queries."""
    found = PromotionEnrolment.objects.filter(member=member)
    if not with_withdrawn:
        found = found.filter(withdrawn_at__isnull=True)
    related = found.select_related("promotion", "product_list", "actor", "api_client")
    return held_of(enrolments=related.order_by("-assigned_at", "-pk"), programme_id=member.programme_id)


def of_member_by_id(*, member_id: int, programme_id: int, public_id: UUID) -> Held:
    """Return the member's promotion by its public id. Raises EnrolmentNotFound, also for one taken from her."""
    found = PromotionEnrolment.objects.filter(
        member_id=member_id, promotion__public_id=public_id, withdrawn_at__isnull=True
    ).select_related("promotion__programme", "product_list", "member")
    shown = held_of(enrolments=found, programme_id=programme_id)
    if not shown:
        raise EnrolmentNotFound("There is no such promotion for this member.")
    return shown[0]


def held_of(*, enrolments: Iterable[PromotionEnrolment], programme_id: int) -> list[Held]:
    """Return enrolments of one programme with their lists and choices; two queries beside their own."""
    found = [one for one in enrolments if one.promotion.programme_id == programme_id]
    if not found:
        return []
    items = (
        PromotionListItem.objects.filter(product_list__in={one.product_list_id for one in found})
        .select_related("product")
        .order_by("product_list_id", "position")
    )
    by_list: dict[int, list[PromotionListItem]] = {}
    for item in items:
        by_list.setdefault(item.product_list_id, []).append(item)
    chosen = set(PromotionChoice.objects.filter(enrolment__in=found).values_list("enrolment_id", "item_id"))
    return [
        Held(
            one,
            [
                Line(item.product, (one.pk, item.pk) in chosen, item.is_default)
                for item in by_list.get(one.product_list_id, [])
            ],
        )
        for one in found
    ]


def count_of_member(*, member: Member) -> int:
    """Return how many promotions the member holds."""
    return PromotionEnrolment.objects.filter(member=member, withdrawn_at__isnull=True).count()
