"""`check_integrity` and personalized promotions (S2-06): a sound one passes, whatever is wrong with one is found."""

import pytest

from loyalty import clock
from loyalty.database import execute
from offers.selectors import integrity
from offers.services import promotion_enrolment
from offers.services.verb import By
from tests.factories import (
    MemberFactory,
    ProductFactory,
    ProgrammeFactory,
    PromotionFactory,
    choose,
    enlist,
    product_list,
)
from tests.offers.selectors.integrity_plants_promotion import PLANTS_OF_PROMOTIONS

pytestmark = pytest.mark.django_db


def found(programme=None):
    return {one.check.name for one in integrity.examine(programme=programme) if one.violations}


@pytest.fixture
def promotion():
    return PromotionFactory(maximum_distinct_products=2)


@pytest.fixture
def world(promotion):
    """A promotion with two lists: one member chose, one did not, one chose and was withdrawn."""
    first, second = product_list(promotion), product_list(promotion, ["milk"])
    held, withdrawn = (enlist(first, MemberFactory(programme=promotion.programme)) for _ in range(2))
    enlist(second, MemberFactory(programme=promotion.programme))
    for one in (held, withdrawn):
        choose(one, "tea", "cake")
    promotion_enrolment.withdraw(promotion=promotion, members=[withdrawn.member.external_id], by=By(), now=clock.now())
    strange = ProductFactory()
    return {
        "promotion": promotion.pk,
        "held": held.pk,
        "other_list": second.pk,
        "stranger": MemberFactory(programme=strange.programme).pk,
        "strange_product": strange.pk,
    }


def test_s2_06_a_promotion_with_chosen_unchosen_and_withdrawn_members_is_whole(promotion, world):
    assert (found(), found(promotion.programme)) == (set(), set())


@pytest.mark.parametrize("name", PLANTS_OF_PROMOTIONS)
def test_s2_06_what_is_broken_is_found_in_its_programme_and_in_no_other(promotion, world, name):
    statement, finds = PLANTS_OF_PROMOTIONS[name]
    assert execute(statement, world) > 0
    assert found() == found(promotion.programme) == finds
    assert found(ProgrammeFactory()) == set()
