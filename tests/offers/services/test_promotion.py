"""Personalized promotions: made, edited, deleted or archived (S2-04..08)."""

from datetime import timedelta

import pytest

from loyalty import clock
from loyalty.errors import Conflict
from loyalty.models import AuditEvent
from offers.models import PersonalizedPromotion, PromotionEnrolment, PromotionEvent, PromotionProductList
from offers.services import promotion as service
from offers.services import promotion_choice, promotion_enrolment
from offers.services.verb import By
from tests.factories import (
    MemberFactory,
    ProgrammeFactory,
    PromotionFactory,
    UserFactory,
    choose,
    enlist,
    product_list,
)

pytestmark = pytest.mark.django_db


def update(promotion, **values):
    return service.update(promotion=promotion, values=values, by=By(), now=clock.now())


def test_s2_05_a_promotion_has_a_name_a_description_a_backend_id_a_maximum_and_a_lock():
    programme = ProgrammeFactory()
    values = {
        "name": " Your three ", "description": "Choose.", "backend_id": "B-7", "maximum_distinct_products": 3,
        "lock_after_first_apply": True,
    }  # fmt: skip
    made = service.create(programme=programme, values=values, by=By())
    kept = PersonalizedPromotion.objects.get(pk=made.pk)
    assert {name: getattr(kept, name) for name in values} == values | {"name": "Your three"}
    assert AuditEvent.objects.get(action="promotion.created").object_id == str(made.pk)
    done = update(made, maximum_distinct_products=None, lock_after_first_apply=False, backend_id=None)
    assert done.changed == ("backend_id", "maximum_distinct_products", "lock_after_first_apply")
    assert update(made, maximum_distinct_products=None).changed == ()
    assert AuditEvent.objects.filter(action="promotion.updated").count() == 1


def test_s2_05_every_problem_is_named_at_once_and_nothing_is_kept():
    programme = ProgrammeFactory()
    PromotionFactory(programme=programme, name="First", backend_id="B-1")
    values = {
        "name": "", "description": 7, "backend_id": "B-1", "maximum_distinct_products": 0,
        "lock_after_first_apply": "yes", "colour": "red",
    }  # fmt: skip
    with pytest.raises(service.InvalidPromotion) as refused:
        service.create(programme=programme, values=values, by=By())
    assert sorted((found["field"], found["code"]) for found in refused.value.problems) == [
        ("backend_id", "taken"),
        ("colour", "unknown_field"),
        ("description", "wrong_type"),
        ("lock_after_first_apply", "not_yes_or_no"),
        ("maximum_distinct_products", "not_a_number"),
        ("name", "blank"),
    ]
    assert "“First” has the BackendID “B-1”" in str(refused.value.problems)
    assert PersonalizedPromotion.objects.count() == 1


@pytest.mark.parametrize("maximum", [0, -1, True, "2", 1.5, 2**31])
def test_s2_06_the_maximum_is_a_whole_number_of_at_least_one(maximum):
    with pytest.raises(service.InvalidPromotion) as refused:
        update(PromotionFactory(), maximum_distinct_products=maximum)
    assert [found["field"] for found in refused.value.problems] == ["maximum_distinct_products"]


def test_s2_05_the_backend_id_is_unique_in_its_programme_alone():
    first = PromotionFactory(backend_id="B-1")
    assert PromotionFactory(backend_id="B-1").programme != first.programme
    for _ in range(2):
        PromotionFactory(programme=first.programme, backend_id=None)


def test_s2_10_put_by_backend_id_makes_it_then_changes_it_and_again_nothing():
    programme = ProgrammeFactory()

    def put(**values):
        return service.put(programme=programme, backend_id="B-1", values=values, by=By(), now=clock.now())

    assert put(name="One").is_created
    assert put(name="Two").changed == ("name",)
    assert put(name="Two").changed == ()
    assert PersonalizedPromotion.objects.get().name == "Two"


def test_s2_06_a_maximum_is_not_lowered_below_what_members_chose():
    promotion = PromotionFactory(maximum_distinct_products=3)
    offered = product_list(promotion)
    held = enlist(offered, MemberFactory(programme=promotion.programme))
    choose(held, "tea", "coffee")
    with pytest.raises(service.InvalidPromotion) as refused:
        update(promotion, maximum_distinct_products=1)
    assert [found["code"] for found in refused.value.problems] == ["chosen_more"]
    assert "1 member has chosen more products" in refused.value.message
    assert update(promotion, maximum_distinct_products=2).changed
    promotion_enrolment.withdraw(promotion=promotion, members=[held.member.external_id], by=By(), now=clock.now())
    assert update(promotion, maximum_distinct_products=1).changed, "who was withdrawn is in nobody's way"


def test_s2_08_a_lock_switched_on_holds_for_who_has_chosen_and_off_for_nobody():
    promotion = PromotionFactory()
    offered = product_list(promotion)
    chose, did_not = (enlist(offered, MemberFactory(programme=promotion.programme)) for _ in range(2))
    choose(chose, "tea")
    person = UserFactory()
    service.update(promotion=promotion, values={"lock_after_first_apply": True}, by=By(actor=person), now=clock.now())
    with pytest.raises(promotion_choice.ChoiceLocked):
        choose(chose, "coffee")
    assert PromotionEvent.objects.get(verb="locked").enrolment == chose
    assert PromotionEvent.objects.get(verb="locked").actor == person
    assert PromotionEnrolment.objects.get(pk=did_not.pk).locked_at is None
    update(promotion, lock_after_first_apply=False)
    assert choose(chose, "coffee") == "changed"
    assert PromotionEvent.objects.get(verb="unlocked").enrolment == chose


def test_s2_04_one_that_nobody_was_ever_assigned_is_deleted_with_its_lists():
    promotion = PromotionFactory()
    product_list(promotion)
    assert service.delete(promotion=promotion, by=By(), now=clock.now()) == service.Deleted(False, 0)
    assert (PersonalizedPromotion.objects.count(), PromotionProductList.objects.count()) == (0, 0)
    assert AuditEvent.objects.filter(action="promotion.deleted").count() == 1


def test_s2_04_one_in_use_is_archived_and_its_enrolments_stand():
    """S2-04: nobody new comes in, nothing is edited, and who holds it goes on choosing."""
    promotion = PromotionFactory()
    offered = product_list(promotion)
    held = enlist(offered, MemberFactory(programme=promotion.programme))
    for _ in range(2):
        assert service.delete(promotion=promotion, by=By(), now=clock.now()) == service.Deleted(True, 1)
    assert AuditEvent.objects.filter(action="promotion.archived").count() == 1
    assert choose(held, "tea") == "chosen"
    promotion.refresh_from_db()
    with pytest.raises(service.PromotionIsArchived):
        update(promotion, name="Another")
    with pytest.raises(service.PromotionIsArchived):
        enlist(offered, MemberFactory(programme=promotion.programme))
    assert service.restore(promotion=promotion, by=By())
    assert not service.restore(promotion=promotion, by=By())
    assert update(promotion, name="Another").changed == ("name",)


def test_s2_08_the_lock_counts_from_the_choice_also_when_the_clock_of_the_edit_is_older():
    """S2-08: a choice that was made while the edit waited is not locked before it was made."""
    promotion = PromotionFactory()
    held = enlist(product_list(promotion), MemberFactory(programme=promotion.programme))
    choose(held, "tea")
    service.update(
        promotion=promotion, values={"lock_after_first_apply": True}, by=By(), now=clock.now() - timedelta(hours=1)
    )
    held.refresh_from_db()
    assert held.locked_at == held.chosen_at


def test_s4_41_where_the_module_is_off_nothing_is_made():
    programme = ProgrammeFactory(offers_enabled=False)
    with pytest.raises(Conflict):
        service.create(programme=programme, values={"name": "x"}, by=By())
