from collections.abc import Sequence

import factory

from loyalty import clock
from loyalty.models import Member
from offers.models import PersonalizedPromotion, PromotionEnrolment, PromotionProductList
from offers.services import promotion_choice, promotion_enrolment, promotion_list
from offers.services.verb import By
from tests.factories.product import ProductFactory
from tests.factories.programme import ProgrammeFactory


class PromotionFactory(factory.django.DjangoModelFactory[PersonalizedPromotion]):
    class Meta:
        model = PersonalizedPromotion

    programme = factory.SubFactory(ProgrammeFactory)
    name = factory.Sequence(lambda n: f"Promotion {n}")
    backend_id = factory.Sequence(lambda n: f"promotion-{n}")


def product_list(
    promotion: PersonalizedPromotion,
    products: Sequence[str] = ("tea", "coffee", "cake"),
    *,
    external_id: str = "",
    name: str = "Favourites",
    default_product: str | None = None,
) -> PromotionProductList:
    """Make a list the way the API does; products that the programme has not are made."""
    known = set(promotion.programme.products.values_list("external_id", flat=True))
    for one in products:
        if one not in known:
            ProductFactory(programme=promotion.programme, external_id=one, name=one.capitalize())
    return promotion_list.create(
        promotion=promotion, name=name, external_id=external_id, products=list(products),
        default_product=default_product, by=By(),
    )  # fmt: skip


def enlist(product_list: PromotionProductList, *members: Member) -> PromotionEnrolment:
    """Assign the list to the members, and return the last one's enrolment."""
    promotion_enrolment.assign(
        product_list=product_list, members=[one.external_id for one in members], by=By(), now=clock.now()
    )
    return PromotionEnrolment.objects.select_related("promotion__programme", "product_list", "member").get(
        promotion=product_list.promotion, member=members[-1]
    )


def choose(enrolment: PromotionEnrolment, *products: str) -> str:
    """Choose the products as the member herself would; return what became of it."""
    return promotion_choice.choose(enrolment=enrolment, products=products, by=By(), now=clock.now()).code
