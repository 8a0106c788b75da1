"""Who is enlisted in a promotion: by the set, again, anew, withdrawn and given back (S2-01, S2-09)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import clock
from loyalty.models import AuditEvent, Member
from offers.models import PromotionChoice, PromotionEnrolment, PromotionEvent, Source
from offers.selectors import promotion_enrolment as selectors
from offers.services import promotion as promotions
from offers.services import promotion_enrolment as service
from offers.services.promotion_enrolment import Assigned, Withdrawn
from offers.services.verb import By
from tests.factories import (
    ApiClientFactory,
    MemberFactory,
    ProgrammeFactory,
    PromotionFactory,
    UserFactory,
    choose,
    enlist,
    product_list,
)

pytestmark = pytest.mark.django_db


def assign(offered, *members, by=None, **options):
    ids = [getattr(one, "external_id", one) for one in members]
    return service.assign(product_list=offered, members=ids, by=by or By(), now=clock.now(), **options)


def withdraw(promotion, *members, by=None, **options):
    ids = [getattr(one, "external_id", one) for one in members]
    return service.withdraw(promotion=promotion, members=ids, by=by or By(), now=clock.now(), **options)


@pytest.mark.parametrize("kind", Member.Kind)
def test_s2_01_one_member_is_enlisted_for_herself_whether_consumer_or_employee(kind):
    promotion = PromotionFactory()
    member, other = (MemberFactory(programme=promotion.programme, kind=kind) for _ in range(2))
    client, _ = ApiClientFactory(programme=promotion.programme)
    done = assign(product_list(promotion), member, by=By(Source.API, api_client=client))
    assert done == Assigned(assigned=1)
    [held] = selectors.of_member(member=member)
    assert (held.promotion, held.enrolment.api_client, held.enrolment.source) == (promotion, client, Source.API)
    assert [line.product.external_id for line in held.lines] == ["tea", "coffee", "cake"]
    assert selectors.of_member(member=other) == []
    event = PromotionEvent.objects.get()
    assert (event.verb, event.enrolment.member, event.api_client) == ("assigned", member, client)
    assert event.data == {"list": held.enrolment.product_list.external_id}


def test_s2_09_each_member_may_have_a_list_of_her_own_and_the_same_again_is_a_replay():
    promotion = PromotionFactory()
    one, other = (MemberFactory(programme=promotion.programme) for _ in range(2))
    short, long = product_list(promotion, ["tea"]), product_list(promotion)
    assign(short, one)
    assign(long, other, other)
    assert assign(short, one) == Assigned(already_assigned=1)
    assert PromotionEvent.objects.count() == 2
    assert [len(selectors.of_member(member=each)[0].lines) for each in (one, other)] == [1, 3]


def test_s2_09_another_list_replaces_hers_with_what_she_chose_unless_it_is_locked():
    promotion = PromotionFactory()
    member = MemberFactory(programme=promotion.programme)
    first, second = product_list(promotion, external_id="L-1"), product_list(promotion, ["milk"], external_id="L-2")
    held = enlist(first, member)
    choose(held, "coffee", "tea")
    assert assign(second, member) == Assigned(replaced=1)
    held.refresh_from_db()
    assert (held.product_list, held.chosen_at, held.choices.count(), held.revision) == (second, None, 0, 2)
    event = PromotionEvent.objects.get(verb="replaced")
    assert event.data == {"list": "L-2", "former": "L-1", "products": ["tea", "coffee"]}
    promotions.update(promotion=promotion, values={"lock_after_first_apply": True}, by=By(), now=clock.now())
    choose(held, "milk")
    free = MemberFactory(programme=promotion.programme)
    done = assign(first, member, free)
    assert done == Assigned(assigned=1, locked=1, locked_members=[member.external_id])
    held.refresh_from_db()
    assert (held.product_list, held.choices.count()) == (second, 1)


def test_s2_09_every_id_that_cannot_be_enlisted_is_named_at_once_and_nobody_is():
    promotion = PromotionFactory()
    offered = product_list(promotion)
    good, asleep = (MemberFactory(programme=promotion.programme, status=status) for status in ("active", "inactive"))
    theirs = MemberFactory(programme=ProgrammeFactory())
    gone = MemberFactory(programme=promotion.programme, status="erased")
    given = [good, asleep, theirs, gone, "", "nobody", "x\0"]
    with pytest.raises(service.InvalidEnrolments) as refused:
        assign(offered, *given)
    named = [(found["code"], found["message"]) for found in refused.value.problems]
    assert sorted(code for code, _ in named) == ["member_inactive"] + ["unknown_member"] * 5
    assert all(one.external_id in str(named) for one in (asleep, theirs, gone))
    assert "6 of 7 ids" in refused.value.message
    assert not PromotionEnrolment.objects.exists()
    assert assign(offered, *given, leaves_out_unknown=True) == Assigned(assigned=1, left_out=6)
    for nothing in ([], "good", [7]):
        with pytest.raises(service.InvalidEnrolments):
            service.assign(product_list=offered, members=nothing, by=By(), now=clock.now())


def test_s2_01_withdrawn_she_has_it_no_more_and_enlisted_again_she_begins_anew():
    promotion = PromotionFactory(lock_after_first_apply=True)
    member = MemberFactory(programme=promotion.programme)
    offered = product_list(promotion)
    choose(enlist(offered, member), "tea")
    assert withdraw(promotion, member) == Withdrawn(1, 0)
    assert withdraw(promotion, member) == Withdrawn(0, 1)
    assert selectors.of_member(member=member) == []
    assert selectors.of_member(member=member, with_withdrawn=True)[0].chosen, "kept, for an undo"
    assert assign(offered, member) == Assigned(assigned=1)
    [held] = selectors.of_member(member=member)
    assert (held.chosen, held.can_change, PromotionEnrolment.objects.count()) == ([], True, 1)
    verbs = list(PromotionEvent.objects.order_by("id").values_list("verb", flat=True))
    assert verbs == ["assigned", "chosen", "withdrawn", "assigned"]


def test_s2_01_who_was_never_enlisted_is_named_and_nobody_is_withdrawn():
    promotion = PromotionFactory()
    one, other = product_list(promotion), product_list(promotion)
    held, elsewhere, never = (MemberFactory(programme=promotion.programme) for _ in range(3))
    assign(one, held)
    assign(other, elsewhere)
    with pytest.raises(service.InvalidEnrolments) as refused:
        withdraw(promotion, held, elsewhere, never, "nobody", product_list=one)
    assert [found["code"] for found in refused.value.problems] == ["not_enlisted"] * 3
    assert not PromotionEnrolment.objects.filter(withdrawn_at__isnull=False).exists()


def test_s2_11_an_undone_withdrawal_gives_the_choice_back_unless_something_happened_meanwhile():
    promotion = PromotionFactory()
    member = MemberFactory(programme=promotion.programme)
    offered = product_list(promotion)
    held = enlist(offered, member)
    choose(held, "tea", "cake")
    person = UserFactory()
    withdraw(promotion, member, by=By(actor=person))
    held.refresh_from_db()
    moment = held.withdrawn_at
    service.restore(enrolment=held, withdrawn_at=moment, by=By(actor=person), now=clock.now())
    assert [one.external_id for one in selectors.of_member(member=member)[0].chosen] == ["tea", "cake"]
    assert PromotionEvent.objects.get(verb="restored").actor == person
    with pytest.raises(service.NotRestored):
        service.restore(enrolment=held, withdrawn_at=moment, by=By(), now=clock.now())
    withdraw(promotion, member)
    promotions.update(promotion=promotion, values={"maximum_distinct_products": 1}, by=By(), now=clock.now())
    held.refresh_from_db()
    with pytest.raises(service.NotRestored, match="chose more products"):
        service.restore(enrolment=held, withdrawn_at=held.withdrawn_at, by=By(), now=clock.now())


def test_s2_11_only_ones_own_withdrawal_is_undone_and_only_at_once():
    promotion = PromotionFactory()
    member = MemberFactory(programme=promotion.programme)
    held = enlist(product_list(promotion), member)
    own, other = By(actor=UserFactory()), By(actor=UserFactory())
    withdraw(promotion, member, by=own)
    held.refresh_from_db()
    moment = held.withdrawn_at
    late = moment + timedelta(seconds=service.UNDO_SECONDS)
    refusals = (
        (other, moment, "Somebody else"),
        (By(), moment, "Somebody else"),
        (own, late + timedelta(seconds=1), "too late"),
    )
    for by, now, why in refusals:
        with pytest.raises(service.NotRestored, match=why):
            service.restore(enrolment=held, withdrawn_at=moment, by=by, now=now)
    held.refresh_from_db()
    assert held.withdrawn_at == moment
    service.restore(enrolment=held, withdrawn_at=moment, by=own, now=late)
    held.refresh_from_db()
    assert held.withdrawn_at is None


def test_s2_09_thousands_are_assigned_by_as_many_statements_as_two():
    """S2-09: an assignment's statements do not grow with its members; neither do a replacement's and a withdrawal's."""
    promotion = PromotionFactory()
    first, second = product_list(promotion), product_list(promotion, ["milk"])
    Member.objects.bulk_create(
        Member(programme=promotion.programme, external_id=f"M-{number}") for number in range(5000)
    )
    everybody = [f"M-{number}" for number in range(5000)]
    counts = {}
    for name, given in (("two", everybody[:2]), ("all", everybody)):
        counts[name] = []
        for act in (
            lambda given: assign(first, *given),
            lambda given: assign(second, *given),
            lambda given: withdraw(promotion, *given),
        ):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                act(given)
            counts[name].append(len(queries))
    assert counts["two"] == counts["all"]
    assert max(counts["all"]) <= 12
    assert PromotionEvent.objects.filter(verb="withdrawn").count() == 5002
    assert AuditEvent.objects.filter(action="promotion.assigned").count() == 4
    assert not PromotionChoice.objects.exists()
