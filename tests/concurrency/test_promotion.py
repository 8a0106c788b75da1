"""Tabs, an editor and a machine at one promotion: nothing outside the list, nothing above the maximum (S2-06..09)."""

import itertools

import pytest

from loyalty import clock
from loyalty.errors import DomainError
from offers.models import PromotionChoice, PromotionEnrolment, PromotionEvent
from offers.services import promotion as promotions
from offers.services import promotion_enrolment, promotion_list
from offers.services.verb import By
from tests.factories import MemberFactory, PromotionFactory, choose, enlist, product_list
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
PRODUCTS = ("tea", "coffee", "cake", "milk", "bread")


def attempt(act):
    """Return what an act answers, or the code of its refusal."""

    def tried():
        try:
            return act()
        except DomainError as error:
            return error.code

    return tried


def test_s2_06_tabs_that_choose_at_once_leave_one_whole_choice():
    promotion = PromotionFactory(maximum_distinct_products=2)
    held = enlist(product_list(promotion, PRODUCTS), MemberFactory(programme=promotion.programme))
    pairs = list(itertools.combinations(PRODUCTS, 2))
    at_once([attempt(lambda pair=pair: choose(held, *pair)) for pair in pairs])
    kept = set(PromotionChoice.objects.values_list("item__product__external_id", flat=True))
    assert kept in [set(pair) for pair in pairs]
    held.refresh_from_db()
    assert held.revision == PromotionEvent.objects.exclude(verb="assigned").count() == len(pairs)


def test_s2_08_of_tabs_that_choose_first_at_once_one_is_first_and_the_others_are_refused():
    promotion = PromotionFactory(maximum_distinct_products=1, lock_after_first_apply=True)
    held = enlist(product_list(promotion, PRODUCTS), MemberFactory(programme=promotion.programme))
    said = at_once([attempt(lambda one=one: choose(held, one)) for one in PRODUCTS])
    assert sorted(said) == ["choice_locked"] * 4 + ["chosen"]
    assert PromotionChoice.objects.count() == 1


def test_s2_09_a_list_assigned_at_once_by_two_is_each_members_once():
    promotion = PromotionFactory()
    lists = [product_list(promotion, PRODUCTS), product_list(promotion, PRODUCTS[:2])]
    members = [MemberFactory(programme=promotion.programme).external_id for _ in range(30)]
    at_once(
        [
            lambda one=one: promotion_enrolment.assign(product_list=one, members=members, by=By(), now=clock.now())
            for one in lists * 2
        ]
    )
    assert PromotionEnrolment.objects.count() == 30
    assert PromotionEnrolment.objects.values("product_list").distinct().count() == 1, "whoever came last has them all"


def test_s2_06_whatever_editors_do_beside_who_chooses_every_choice_is_of_her_list_and_within_the_maximum():
    """S2-02, S2-06, S2-09: products leave, the maximum falls, another list comes, she is withdrawn; all at once."""
    promotion = PromotionFactory()
    first, second = product_list(promotion, PRODUCTS), product_list(promotion, PRODUCTS[2:])
    held = [enlist(first, MemberFactory(programme=promotion.programme)) for _ in range(4)]
    ids = [one.member.external_id for one in held]

    def choosing(one, count):
        def from_the(place):
            return attempt(lambda: choose(one, *PRODUCTS[place : place + count]))()

        return lambda: [from_the(place) for place in range(5)]

    def edit(most):
        values = {"products": list(PRODUCTS[:most]), "drop_choices": most % 2 == 0}
        attempt(lambda: promotion_list.change(product_list=first, values=values, by=By(), now=clock.now()))()
        lower = {"maximum_distinct_products": most}
        attempt(lambda: promotions.update(promotion=promotion, values=lower, by=By(), now=clock.now()))()

    def editing():
        for most in range(1, 5):
            edit(most)

    def assigning():
        for one in (second, first, second):
            promotion_enrolment.assign(product_list=one, members=ids, by=By(), now=clock.now())

    def withdrawing():
        for _ in range(3):
            promotion_enrolment.withdraw(promotion=promotion, members=ids[:2], by=By(), now=clock.now())

    at_once([*(choosing(one, n + 1) for n, one in enumerate(held)), editing, assigning, withdrawing])
    promotion.refresh_from_db()
    for one in PromotionEnrolment.objects.filter(withdrawn_at__isnull=True):
        chosen = list(one.choices.select_related("item"))
        assert {choice.item.product_list_id for choice in chosen} <= {one.product_list_id}
        assert len(chosen) <= (promotion.maximum_distinct_products or 5)
