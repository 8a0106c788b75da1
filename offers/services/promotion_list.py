"""Promotion product lists: made, renamed, their products replaced (S2-02, S2-09).

A product that members have chosen does not leave a list by accident: that is refused with its name and their number,
unless the caller says to drop those choices. Then the members are told so in their timelines, and may choose anew.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import patience
from loyalty.database import execute, in_transaction, rows
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import Product
from loyalty.storable import UNSTORABLE
from offers.models import PersonalizedPromotion, PromotionListItem, PromotionProductList
from offers.services import module, promotion, promotion_lock, verb
from offers.services.problem import problem
from offers.services.verb import By

# A member reads through her list on a phone.
MOST_PRODUCTS = 1000
LONGEST_NAME = LONGEST_ID = 200
MOST_NAMED = 50


class InvalidProductList(InvalidInput):
    """The list is not acceptable; `problems` names every field at once."""

    code = "invalid_product_list"


class ProductsChosen(Conflict):
    """Members have chosen what would leave the list."""

    code = "products_chosen"


class ListInUse(Conflict):
    """Members were given the list."""

    code = "product_list_in_use"


def create(
    *,
    promotion: PersonalizedPromotion,
    name: str,
    products: Sequence[str],
    by: By,
    external_id: str = "",
    default_product: str | None = None,
) -> PromotionProductList:
    """Make a list of products, named by their external ids and kept in that order; one is enough (S2-02).

    Without an external id it gets one. `default_product` counts for who has chosen nothing (S2-19). Raises
    InvalidProductList with every problem, PromotionIsArchived, OffersModuleOff.
    """
    module.require(programme=promotion.programme)
    return in_transaction(lambda: _create(promotion, name, external_id, products, default_product, by))


def put(
    *,
    promotion: PersonalizedPromotion,
    external_id: str,
    values: Mapping[str, Any],
    by: By,
    now: datetime,
) -> tuple[PromotionProductList, bool]:
    """Make the list with that external id, or change what is given; return it and whether it is new."""
    known = {"name", "products", "default_product", "drop_choices"}
    if strange := [name for name in values if name not in known]:
        problems = [
            problem(one, "unknown_field", _("There is no field “%(name)s”.") % {"name": one}) for one in strange
        ]
        raise InvalidProductList(problems[0]["message"], problems=problems)
    found = PromotionProductList.objects.filter(promotion=promotion, external_id=external_id).first()
    if found is None:
        made = create(
            promotion=promotion,
            external_id=external_id,
            name=values.get("name", ""),
            products=values.get("products", []),
            default_product=values.get("default_product"),
            by=by,
        )
        return made, True
    return change(product_list=found, values=values, by=by, now=now), False


@patience.patient()
def change(
    *, product_list: PromotionProductList, values: Mapping[str, Any], by: By, now: datetime
) -> PromotionProductList:
    """Rename the list, or replace its products or its default; what is not given stays. Again changes nothing.

    `values`: name, products, default_product, drop_choices. Raises InvalidProductList with every problem,
    ProductsChosen, PromotionIsArchived.
    """
    module.require(programme=product_list.promotion.programme)
    return in_transaction(lambda: _change(product_list, values, by, now))


def delete(*, product_list: PromotionProductList, by: By) -> None:
    """Delete a list that no member was ever given. Raises ListInUse."""
    owner = product_list.promotion
    module.require(programme=owner.programme)
    with transaction.atomic():
        promotion_lock.share(owner)
        found = promotion_lock.take_list(product_list)
        if count := found.enrolments.count():
            message = ngettext(
                "%(n)d member was given “%(name)s”, so it stays. Assign her another list instead.",
                "%(n)d members were given “%(name)s”, so it stays. Assign them another list instead.",
                count,
            )
            raise ListInUse(message % {"n": count, "name": found.name})
        _record("promotion_list.deleted", found, owner, by, {"external_id": found.external_id})
        PromotionListItem.objects.filter(product_list=found).delete()
        found.delete()


def _create(
    given: PersonalizedPromotion, name: str, external_id: str, products: Any, default_product: Any, by: By
) -> PromotionProductList:
    owner = promotion_lock.share(given)
    promotion.refuse_archived(owner)
    made = PromotionProductList(promotion=owner)
    problems = _called(made, {"name": name})
    made.external_id = (external_id or "").strip() if isinstance(external_id, str) else ""
    made.external_id = made.external_id or uuid.uuid4().hex[:12]
    if len(made.external_id) > LONGEST_ID or UNSTORABLE.search(made.external_id):
        problems.append(problem("external_id", "invalid", _("Give 1 to 200 characters.")))
    elif owner.lists.filter(external_id=made.external_id).exists():
        message = _("Another list of this promotion has the external id “%(value)s”. Choose another.")
        problems.append(problem("external_id", "taken", message % {"value": made.external_id}))
    found, more = _products(owner, products)
    problems += more + _default_problems(found, default_product)
    _refuse(problems)
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as error:
        message = _("Another list took this external id at the same moment. Load it and try again.")
        raise Conflict(message) from error
    _write_items(made, found, default_product)
    _record("promotion_list.created", made, owner, by, {"products": len(found)})
    return made


def _change(given: PromotionProductList, values: Mapping[str, Any], by: By, now: datetime) -> PromotionProductList:
    owner = promotion_lock.share(given.promotion)
    promotion.refuse_archived(owner)
    product_list = promotion_lock.take_list(given)
    former = product_list.name
    held = list(product_list.items.select_related("product"))
    problems = _called(product_list, values)
    found, more = _products(owner, values["products"]) if "products" in values else ([one.product for one in held], [])
    problems += more
    before = next((one.product.external_id for one in held if one.is_default), None)
    default = values.get("default_product", before)
    if "default_product" not in values and default not in {one.external_id for one in found}:
        # It left the list with its product.
        default = None
    if not isinstance(values.get("drop_choices", False), bool):
        problems.append(problem("drop_choices", "not_yes_or_no", _("Give true or false.")))
    problems += _default_problems(found, default)
    _refuse(problems)
    is_other = [one.product_id for one in held] != [one.pk for one in found] or default != before
    renamed = product_list.name != former
    if not is_other and not renamed:
        return product_list
    data: dict[str, Any] = {"name": [former, product_list.name]} if renamed else {}
    if is_other:
        gone = [one for one in held if one.product_id not in {product.pk for product in found}]
        data["dropped"] = _let_go(gone, is_allowed=bool(values.get("drop_choices")), by=by, now=now) if gone else 0
        data["products"] = [[one.product.external_id for one in held], [one.external_id for one in found]]
        _write_items(product_list, found, default)
    product_list.save(update_fields=["name", "updated_at"])
    _record("promotion_list.updated", product_list, owner, by, data)
    return product_list


def _called(product_list: PromotionProductList, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name the list as it is given, or say what is wrong with that."""
    if "name" not in values:
        return []
    name = values["name"]
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME or UNSTORABLE.search(name):
        return [problem("name", "invalid", _("Give a name of 1 to 200 characters."))]
    product_list.name = name.strip()
    return []


def _products(owner: PersonalizedPromotion, given: Any) -> tuple[list[Product], list[dict[str, Any]]]:
    """Return the programme's products in the order given, and every problem; one query."""
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        return [], [problem("products", "not_a_list", _("Give the products' external ids as a list of texts."))]
    if not given:
        return [], [problem("products", "required", _("Give at least one product: there is nothing to choose else."))]
    if len(given) > MOST_PRODUCTS:
        message = _("A list has at most %(most)d products. Leave some out.") % {"most": MOST_PRODUCTS}
        return [], [problem("products", "too_many", message)]
    wanted = [one for one in given if not UNSTORABLE.search(one)]
    known = {one.external_id: one for one in Product.objects.filter(programme=owner.programme, external_id__in=wanted)}
    problems = [
        problem("products", "unknown_product", _("There is no product “%(id)s”.") % {"id": one[:200]})
        for one in dict.fromkeys(given)
        if one not in known
    ]
    repeated = [one for one, times in Counter(given).items() if times > 1 and one in known]
    problems += [
        problem("products", "given_twice", _("“%(id)s” stands there twice. Name it once.") % {"id": one})
        for one in repeated
    ]
    return [known[one] for one in dict.fromkeys(given) if one in known], problems


def _default_problems(found: Sequence[Product], default: Any) -> list[dict[str, Any]]:
    if default is None or default in {one.external_id for one in found}:
        return []
    message = _("The default product is one of the list. Put “%(id)s” on it, or name another.")
    return [problem("default_product", "not_on_the_list", message % {"id": str(default)[:200]})]


def _refuse(problems: list[dict[str, Any]]) -> None:
    if problems:
        message = _("The product list was not saved: %(first)s") % {"first": problems[0]["message"]}
        raise InvalidProductList(message, problems=problems)


def _write_items(product_list: PromotionProductList, products: Sequence[Product], default: str | None) -> None:
    """Make the list's products those, in their order. What stays keeps its row, for choices speak of it."""
    items = PromotionListItem.objects.filter(product_list=product_list)
    items.exclude(product__in=products).delete()
    # A second default would meet the first one before that one is gone.
    items.filter(is_default=True).update(is_default=False)
    PromotionListItem.objects.bulk_create(
        [
            PromotionListItem(
                product_list=product_list, product=one, position=place, is_default=one.external_id == default
            )
            for place, one in enumerate(products, start=1)
        ],
        update_conflicts=True,
        unique_fields=["product_list", "product"],
        update_fields=["position", "is_default"],
    )


def _let_go(gone: Sequence[PromotionListItem], *, is_allowed: bool, by: By, now: datetime) -> int:
    """Take the choices of products that leave; return of how many members. Raises ProductsChosen unless allowed."""
    active = Q(choices__enrolment__withdrawn_at__isnull=True)
    counted = (
        PromotionListItem.objects.filter(pk__in=[one.pk for one in gone])
        .annotate(members=Count("choices", filter=active))
        .filter(members__gt=0)
        .select_related("product")
    )
    problems = []
    for item in () if is_allowed else counted[:MOST_NAMED]:
        sentence = ngettext(
            "“%(name)s” (%(id)s) is chosen by %(n)d member.", "“%(name)s” (%(id)s) is chosen by %(n)d members.",
            item.members,
        )  # fmt: skip
        words = {"name": item.product.name, "id": item.product.external_id, "n": item.members}
        problems.append(problem("products", "product_chosen", sentence % words))
    if problems:
        message = _("Members have chosen products that would leave the list: %(first)s Keep them, or drop the choices.")
        raise ProductsChosen(message % {"first": problems[0]["message"]}, problems=problems)
    parameters = {"items": [one.pk for one in gone], "now": now} | by.parameters()
    execute(HOLD, parameters)
    [found] = rows(DROP, parameters)
    return int(found["members"])


# In the order of ids, as everybody locks enrolments.
HOLD = """
    SELECT FROM offers_promotionenrolment
     WHERE id IN (SELECT enrolment_id FROM offers_promotionchoice WHERE item_id = ANY(%(items)s))
     ORDER BY id FOR UPDATE
"""
# Who loses a choice may choose anew, also where the first choice was to stay: she did not change her mind.
DROP = """
    WITH dropped AS (
        DELETE FROM offers_promotionchoice WHERE item_id = ANY(%(items)s) RETURNING enrolment_id, item_id
    ), lost AS (
        SELECT dropped.enrolment_id, array_agg(product.external_id ORDER BY item.position) AS products,
               (SELECT count(*) FROM offers_promotionchoice AS choice
                 WHERE choice.enrolment_id = dropped.enrolment_id) > count(*) AS has_more
          FROM dropped
          JOIN offers_promotionlistitem AS item ON item.id = dropped.item_id
          JOIN loyalty_product AS product ON product.id = item.product_id
         GROUP BY dropped.enrolment_id
    ), changed AS (
        UPDATE offers_promotionenrolment AS enrolment
           SET locked_at = NULL, chosen_at = CASE WHEN lost.has_more THEN chosen_at END,
               revision = revision + 1, updated_at = %(now)s
          FROM lost WHERE enrolment.id = lost.enrolment_id
        RETURNING enrolment.id, lost.products, enrolment.withdrawn_at
    ), told AS (
        INSERT INTO offers_promotionevent (enrolment_id, at, verb, source, actor_id, api_client_id, data)
        SELECT id, %(now)s, 'dropped', %(source)s, %(actor_id)s, %(api_client_id)s,
               jsonb_build_object('products', products)
          FROM changed ORDER BY id
    )
    SELECT count(*) FILTER (WHERE withdrawn_at IS NULL) AS members FROM changed
"""


def _record(
    action: str, target: PromotionProductList, owner: PersonalizedPromotion, by: By, data: Mapping[str, Any]
) -> None:
    verb.audited(action, target, programme=owner.programme, by=by, data={"promotion": owner.pk, **data})
