"""Promotion product lists: made, renamed, their products replaced or refused (S2-02, S2-09, S2-19)."""

import pytest

from loyalty import clock
from loyalty.models import AuditEvent
from offers.models import PromotionChoice, PromotionEvent, PromotionListItem, PromotionProductList
from offers.services import promotion as promotions
from offers.services import promotion_list as service
from offers.services.verb import By
from tests.factories import MemberFactory, ProductFactory, PromotionFactory, choose, enlist, product_list

pytestmark = pytest.mark.django_db


def change(offered, **values):
    return service.change(product_list=offered, values=values, by=By(), now=clock.now())


def on(offered):
    return [
        (one.product.external_id, one.position, one.is_default)
        for one in PromotionListItem.objects.filter(product_list=offered).select_related("product")
    ]


def problems(refused):
    return [(found["field"], found["code"]) for found in refused.value.problems]


def test_s2_02_a_list_keeps_its_products_in_order_and_may_hold_a_single_one():
    promotion = PromotionFactory()
    assert on(product_list(promotion, ["cake", "tea"])) == [("cake", 1, False), ("tea", 2, False)]
    assert on(product_list(promotion, ["tea"])) == [("tea", 1, False)]
    assert PromotionProductList.objects.values("external_id").distinct().count() == 2, "each has an id of its own"


def test_s2_19_a_default_product_is_one_of_the_list_and_there_is_one():
    promotion = PromotionFactory()
    offered = product_list(promotion, default_product="coffee")
    assert [one for one in on(offered) if one[2]] == [("coffee", 2, True)]
    change(offered, default_product="tea")
    assert [one for one in on(offered) if one[2]] == [("tea", 1, True)]
    with pytest.raises(service.InvalidProductList) as refused:
        change(offered, default_product="milk")
    assert problems(refused) == [("default_product", "not_on_the_list")]
    change(offered, products=["coffee"])
    assert on(offered) == [("coffee", 1, False)], "a default that left is no default"


def test_s2_09_every_problem_is_named_at_once_and_nothing_is_kept():
    promotion = PromotionFactory()
    product_list(promotion, external_id="L-1")
    ProductFactory(external_id="theirs")
    with pytest.raises(service.InvalidProductList) as refused:
        service.create(
            promotion=promotion, name=" ", external_id="L-1", products=["tea", "nothing", "tea", "theirs", "x\0"],
            default_product="cake", by=By(),
        )  # fmt: skip
    assert problems(refused) == [
        ("name", "invalid"),
        ("external_id", "taken"),
        ("products", "unknown_product"),
        ("products", "unknown_product"),
        ("products", "unknown_product"),
        ("products", "given_twice"),
        ("default_product", "not_on_the_list"),
    ]
    assert PromotionProductList.objects.count() == 1
    for products in ([], "tea", [7], None, ["tea"] * 1001):
        with pytest.raises(service.InvalidProductList):
            service.create(promotion=promotion, name="x", products=products, by=By())


def test_s2_09_put_makes_it_renames_it_replaces_its_products_and_again_changes_nothing():
    promotion = PromotionFactory()
    for one in ("tea", "cake"):
        ProductFactory(programme=promotion.programme, external_id=one)

    def put(**values):
        return service.put(promotion=promotion, external_id="L-1", values=values, by=By(), now=clock.now())

    made, is_new = put(name="One", products=["tea"])
    assert (is_new, on(made)) == (True, [("tea", 1, False)])
    made, is_new = put(name="Two")
    assert (is_new, made.name, on(made)) == (False, "Two", [("tea", 1, False)])
    put(products=["cake", "tea"])
    assert on(made) == [("cake", 1, False), ("tea", 2, False)]
    put(products=["cake", "tea"])
    assert AuditEvent.objects.filter(action="promotion_list.updated").count() == 2
    with pytest.raises(service.InvalidProductList) as refused:
        put(colour="red")
    assert problems(refused) == [("colour", "unknown_field")]


def test_s2_09_a_product_that_members_chose_does_not_leave_by_accident():
    promotion = PromotionFactory()
    offered = product_list(promotion)
    for _ in range(2):
        choose(enlist(offered, MemberFactory(programme=promotion.programme)), "tea")
    with pytest.raises(service.ProductsChosen) as refused:
        change(offered, products=["coffee", "cake"])
    assert problems(refused) == [("products", "product_chosen")]
    assert "“Tea” (tea) is chosen by 2 members." in refused.value.message
    assert [one[0] for one in on(offered)] == ["tea", "coffee", "cake"]
    change(offered, products=["tea", "cake"])


def test_s2_08_whose_choice_is_dropped_may_choose_anew_also_where_the_first_one_was_to_stay():
    """S2-08, S2-09: dropped when the caller says so, told in her timeline, and unlocked: it was not her who changed."""
    promotion = PromotionFactory(lock_after_first_apply=True, maximum_distinct_products=2)
    offered = product_list(promotion)
    both, other = (enlist(offered, MemberFactory(programme=promotion.programme)) for _ in range(2))
    choose(both, "tea", "cake")
    choose(other, "cake")
    change(offered, products=["coffee", "cake"], drop_choices=True)
    both.refresh_from_db()
    other.refresh_from_db()
    assert (both.locked_at, both.chosen_at is None, both.revision) == (None, False, 2)
    assert other.is_locked
    [event] = PromotionEvent.objects.filter(verb="dropped")
    assert (event.enrolment, event.data) == (both, {"products": ["tea"]})
    assert choose(both, "coffee", "cake") == "changed"
    assert PromotionChoice.objects.filter(enrolment=both).count() == 2
    change(offered, products=["tea"], drop_choices=True)
    both.refresh_from_db()
    assert (both.chosen_at, both.locked_at, both.choices.count()) == (None, None, 0)


def test_s2_09_a_list_that_was_given_to_nobody_is_deleted_and_one_that_was_stays():
    promotion = PromotionFactory()
    offered = product_list(promotion)
    service.delete(product_list=product_list(promotion), by=By())
    enlist(offered, MemberFactory(programme=promotion.programme))
    with pytest.raises(service.ListInUse):
        service.delete(product_list=offered, by=By())
    assert list(PromotionProductList.objects.all()) == [offered]


def test_s2_04_lists_of_an_archived_promotion_do_not_change():
    promotion = PromotionFactory()
    offered = product_list(promotion)
    enlist(offered, MemberFactory(programme=promotion.programme))
    promotions.delete(promotion=promotion, by=By(), now=clock.now())
    with pytest.raises(promotions.PromotionIsArchived):
        change(offered, products=["tea"])
    with pytest.raises(promotions.PromotionIsArchived):
        product_list(promotion)


def test_s2_09_replacing_the_products_asks_as_often_for_three_as_for_three_hundred(django_assert_max_num_queries):
    promotion = PromotionFactory()
    offered = product_list(promotion)
    names = [f"p-{number}" for number in range(300)]
    ProductFactory.create_batch(300, programme=promotion.programme, category=None, department=None)
    for number, product in enumerate(promotion.programme.products.filter(external_id__startswith="product-")):
        product.external_id = names[number]
        product.save()
    with django_assert_max_num_queries(20):
        change(offered, products=[*names, "tea"])
    assert len(on(offered)) == 301
