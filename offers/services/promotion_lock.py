"""The order in which a promotion's rows are locked: the promotion, its list, its enrolments (docs/locking.md).

Whoever assigns or chooses shares the first two; whoever edits them has them alone.
"""

from django.utils.translation import gettext as _

from loyalty.database import execute
from loyalty.errors import NotFound
from offers.models import PersonalizedPromotion, PromotionProductList


class PromotionGone(NotFound):
    """It was deleted meanwhile."""

    code = "unknown_promotion"


class ProductListGone(NotFound):
    """It was deleted meanwhile."""

    code = "unknown_product_list"


def share(promotion: PersonalizedPromotion) -> PersonalizedPromotion:
    """Return the promotion as it stays until the transaction ends. Raises PromotionGone."""
    if not execute("SELECT FROM offers_personalizedpromotion WHERE id = %s FOR SHARE", [promotion.pk]):
        raise PromotionGone(_("There is no such promotion here any more."))
    return PersonalizedPromotion.objects.select_related("programme").get(pk=promotion.pk)


def take(promotion: PersonalizedPromotion) -> PersonalizedPromotion:
    """Return the promotion locked against everybody who assigns, chooses or edits. Raises PromotionGone."""
    known = PersonalizedPromotion.objects.select_for_update(of=("self",)).select_related("programme")
    found = known.filter(pk=promotion.pk).first()
    if found is None:
        raise PromotionGone(_("There is no such promotion here any more."))
    return found


def share_list(list_id: int) -> None:
    """Keep the list's products as they are until the transaction ends. Raises ProductListGone."""
    if not execute("SELECT FROM offers_promotionproductlist WHERE id = %s FOR SHARE", [list_id]):
        raise ProductListGone(_("There is no such product list here any more."))


def take_list(product_list: PromotionProductList) -> PromotionProductList:
    """Return the list locked against everybody who assigns it, chooses from it or edits it. Raises ProductListGone."""
    found = PromotionProductList.objects.select_for_update().filter(pk=product_list.pk).first()
    if found is None:
        raise ProductListGone(_("There is no such product list here any more."))
    return found
