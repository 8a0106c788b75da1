"""Sixteen tills at the last use: one gets it (D-01)."""

import pytest

from loyalty import clock
from loyalty.models import OutboxEvent
from offers.models import Assignment, Redemption
from offers.services import redemption
from offers.services.redemption import Use
from offers.services.verb import By
from tests.factories import ConfigOfferFactory, MemberFactory, PurchaseFactory, give
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def redeeming(held, key, purchase=None):
    def work():
        now = clock.now()
        return redemption.redeem(
            programme=held.member.programme,
            assignment_id=held.pk,
            use=Use(external_id=key, redeemed_at=now, purchase=purchase),
            by=By(),
            now=now,
        )

    return work


def test_sixteen_at_the_last_use_are_one():
    member = MemberFactory()
    held = give(member, ConfigOfferFactory(programme=member.programme))

    answers = at_once([redeeming(held, f"till-{number}") for number in range(16)])

    assert sorted(answer.code for answer in answers) == ["redeemed", *["used_up"] * 15]
    assert Redemption.objects.count() == 1
    assert OutboxEvent.objects.filter(type="assignment.redeemed").count() == 1
    assert Assignment.objects.get(pk=held.pk).used_up_at is not None


def test_two_clicks_on_one_form_are_one_use():
    member = MemberFactory()
    offer = ConfigOfferFactory(programme=member.programme, terms={"redemption_limit": {"limit": 5}})
    held = give(member, offer)

    answers = at_once([redeeming(held, "desk-1")] * 16)

    assert sorted(answer.code for answer in answers) == [*["already_redeemed"] * 15, "redeemed"]
    assert {answer.left for answer in answers} == {4}
    assert Redemption.objects.count() == 1


def test_s0_01_one_receipt_for_eight_of_one_offer_is_one_use():
    """Each row is locked by somebody else: the receipt's row decides."""
    member = MemberFactory()
    offer, receipt = (
        ConfigOfferFactory(programme=member.programme, repeat_policy="unlimited"),
        PurchaseFactory(member=member),
    )
    held = [give(member, offer) for _ in range(8)]

    answers = at_once([redeeming(one, f"till-{number}", receipt) for number, one in enumerate(held)])

    assert sorted(answer.code for answer in answers) == [*["receipt_counted"] * 7, "redeemed"]
    assert Redemption.objects.count() == 1


def test_one_reference_for_two_offers_is_one_use():
    """Both rows are locked by somebody else: the constraint decides."""
    member = MemberFactory()
    held = [give(member, ConfigOfferFactory(programme=member.programme)) for _ in range(8)]

    answers = at_once([redeeming(one, "till-1") for one in held])

    assert sorted(answer.code for answer in answers) == ["redeemed", *["reference_used"] * 7]
    assert Redemption.objects.count() == 1
