"""What a member chooses from her list, and when she may not (S2-02, S2-06..08, S2-19)."""

import pytest

from loyalty import clock
from loyalty.errors import Conflict
from loyalty.models import AuditEvent
from offers.models import PromotionEvent, Source
from offers.selectors import promotion_enrolment as selectors
from offers.services import promotion_choice as service
from offers.services import promotion_enrolment
from offers.services.verb import By
from tests.factories import MemberFactory, PromotionFactory, UserFactory, choose, enlist, product_list

pytestmark = pytest.mark.django_db


def enlisted(*, products=("tea", "coffee", "cake"), default_product=None, **values):
    promotion = PromotionFactory(**values)
    offered = product_list(promotion, products, default_product=default_product)
    return enlist(offered, MemberFactory(programme=promotion.programme))


def chosen(held):
    return [one.external_id for one in selectors.of_member(member=held.member)[0].chosen]


def test_s2_02_she_chooses_a_product_of_her_list():
    held = enlisted()
    assert choose(held, "coffee") == "chosen"
    assert chosen(held) == ["coffee"]
    held.refresh_from_db()
    assert held.chosen_at is not None
    event = PromotionEvent.objects.get(verb="chosen")
    assert (event.data, event.actor, event.api_client) == ({"products": ["coffee"], "is_locked": False}, None, None)


def test_s2_02_a_list_of_a_single_product_is_chosen_from_like_any_other():
    held = enlisted(products=["tea"])
    assert choose(held, "tea") == "chosen"
    assert chosen(held) == ["tea"]


@pytest.mark.parametrize(("maximum", "given"), [(1, 1), (2, 2), (None, 3), (7, 3)])
def test_s2_06_s2_07_as_many_as_the_maximum_and_all_where_it_is_left_blank(maximum, given):
    held = enlisted(maximum_distinct_products=maximum)
    assert choose(held, *["cake", "coffee", "tea"][:given]) == "chosen"
    assert len(chosen(held)) == given
    assert selectors.of_member(member=held.member)[0].most == min(maximum or 3, 3)


def test_s2_06_one_more_than_the_maximum_is_refused_and_nothing_changes():
    held = enlisted(maximum_distinct_products=2)
    choose(held, "tea")
    with pytest.raises(service.InvalidChoice) as refused:
        choose(held, "tea", "coffee", "cake")
    assert [found["code"] for found in refused.value.problems] == ["too_many"]
    assert chosen(held) == ["tea"]


def test_s2_06_the_same_product_twice_is_one_product():
    held = enlisted(maximum_distinct_products=1)
    assert choose(held, "tea", "tea") == "chosen"
    assert chosen(held) == ["tea"]


def test_s2_02_nothing_outside_her_list_is_chosen_and_all_of_it_is_named():
    held = enlisted(maximum_distinct_products=2)
    product_list(held.promotion, ["milk"])
    with pytest.raises(service.InvalidChoice) as refused:
        choose(held, "tea", "milk", "nothing")
    assert [found["code"] for found in refused.value.problems] == ["not_on_the_list", "not_on_the_list", "too_many"]
    for strange in ("tea", [7], None):
        with pytest.raises(service.InvalidChoice):
            service.choose(enrolment=held, products=strange, by=By(), now=clock.now())
    assert chosen(held) == []


def test_s2_08_without_a_lock_she_changes_freely_and_takes_it_back():
    held = enlisted()
    outcomes = [choose(held, *given) for given in (["tea"], ["coffee", "cake"], ["cake", "coffee"], [], [], ["tea"])]
    assert outcomes == ["chosen", "changed", "unchanged", "cleared", "unchanged", "chosen"]
    held.refresh_from_db()
    assert (held.revision, held.locked_at) == (4, None)
    changed = PromotionEvent.objects.get(verb="changed")
    assert changed.data == {"products": ["coffee", "cake"], "former": ["tea"], "is_locked": False}


def test_s2_08_with_the_lock_the_first_choice_stays():
    held = enlisted(lock_after_first_apply=True)
    assert choose(held) == "unchanged", "no choice is no first choice"
    assert choose(held, "tea") == "chosen"
    for other in (["coffee"], ["tea", "coffee"], []):
        with pytest.raises(service.ChoiceLocked):
            choose(held, *other)
    assert choose(held, "tea") == "unchanged", "the same again is no change"
    assert chosen(held) == ["tea"]
    held.refresh_from_db()
    assert held.locked_at == held.chosen_at
    assert PromotionEvent.objects.get(verb="chosen").data["is_locked"]


def test_s2_08_the_lock_is_hers_alone():
    held = enlisted(lock_after_first_apply=True)
    other = enlist(held.product_list, MemberFactory(programme=held.promotion.programme))
    choose(held, "tea")
    assert choose(other, "coffee") == "chosen"


def test_s2_19_a_default_counts_without_a_choice_and_does_not_lock():
    held = enlisted(lock_after_first_apply=True, default_product="coffee")
    shown = selectors.of_member(member=held.member)[0]
    assert ([one.external_id for one in shown.counting], shown.chosen, shown.can_change) == (["coffee"], [], True)
    assert choose(held, "tea") == "chosen"
    shown = selectors.of_member(member=held.member)[0]
    assert ([one.external_id for one in shown.counting], shown.can_change) == (["tea"], False)


def test_s2_08_who_saw_an_older_choice_is_told_so():
    held = enlisted()
    service.choose(enrolment=held, products=["tea"], by=By(), now=clock.now(), seen=0)
    with pytest.raises(service.ChoiceChanged):
        service.choose(enrolment=held, products=["coffee"], by=By(), now=clock.now(), seen=0)
    assert chosen(held) == ["tea"]
    service.choose(enrolment=held, products=["coffee"], by=By(), now=clock.now(), seen=1)


def test_s2_11_an_agent_who_chooses_for_her_stands_in_the_event_and_in_the_audit():
    held = enlisted()
    person = UserFactory()
    service.choose(enrolment=held, products=["tea"], by=By(Source.SUPPORT, actor=person), now=clock.now())
    assert PromotionEvent.objects.get(verb="chosen").actor == person
    noted = AuditEvent.objects.get(action="promotion.chosen_for_member")
    assert (noted.user, noted.object_id) == (person, str(held.member.pk))
    assert noted.data == {"promotion": held.promotion.pk, "products": ["tea"]}


def test_s2_01_nothing_is_chosen_of_what_was_taken_from_her_nor_by_who_is_inactive():
    held = enlisted()
    held.member.status = "inactive"
    held.member.save()
    with pytest.raises(Conflict) as refused:
        choose(held, "tea")
    assert refused.value.code == "member_inactive"
    promotion_enrolment.withdraw(promotion=held.promotion, members=[held.member.external_id], by=By(), now=clock.now())
    with pytest.raises(service.EnrolmentWithdrawn):
        choose(held, "tea")
