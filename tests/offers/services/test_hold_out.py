"""A share of a run's members gets nothing, so that what the offer does can be told from what would have been (B-13)."""

from decimal import Decimal

import pytest
from django.test import override_settings

from loyalty import clock
from offers.models import Assignment, AudienceMember
from offers.services import audience
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    import_codes,
    launch_run,
    work,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    MemberFactory.create_batch(200, programme=programme)
    return programme


def done(offer, **values):
    return work(launch_run(offer, **values))


def held_out(run) -> set[int]:
    return set(AudienceMember.objects.filter(run=run, outcome="held_out").values_list("member_id", flat=True))


def test_d_19_who_is_held_out_is_an_outcome_and_costs_neither_a_code_nor_a_limit(programme):
    """B-13, D-19: no assignment, no code, no ordinal; the dry run says as many."""
    offer, campaign = (
        ConfigOfferFactory(programme=programme, require_vouchers=True),
        CampaignFactory(programme=programme),
    )
    import_codes(offer, 200)
    MemberFactory(programme=programme, status="inactive")
    share = {"campaign": campaign, "hold_out_percent": Decimal("25")}
    told = audience.dry_run(
        programme=programme,
        template=offer.templates.get(),
        criteria={"op": "and", "items": [], "all_members": True},
        terms={},
        campaign=campaign,
        now=clock.now(),
        held_out=audience.hold_out(percent=Decimal("25"), campaign=campaign, reference=None),
    )
    run = done(offer, **share)
    out = held_out(run)
    assert 25 <= len(out) <= 75
    assert run.excluded == told.excluded == {"held_out": len(out), "member_inactive": 1}
    assert run.eligible == told.eligible == 200 - len(out)
    assert not Assignment.objects.filter(member_id__in=out).exists()
    assert Assignment.objects.count() == 200 - len(out)
    assert sum(segment.size - segment.cursor for segment in offer.voucher_bank.segments.all()) == len(out)


def test_b_13_the_same_members_are_held_out_in_every_run_of_a_campaign_and_others_elsewhere(programme):
    spring, summer = CampaignFactory.create_batch(2, programme=programme)
    first, second, third = ConfigOfferFactory.create_batch(3, programme=programme)
    tenth = held_out(done(first, campaign=spring, hold_out_percent=Decimal("10")))
    assert held_out(done(second, campaign=spring, hold_out_percent=Decimal("10"))) == tenth
    assert held_out(done(first, campaign=summer, hold_out_percent=Decimal("10"))) != tenth
    assert tenth < held_out(done(third, campaign=spring, hold_out_percent=Decimal("50")))


@override_settings(MASS_ASSIGNMENT_CHUNK=30)
def test_b_13_only_who_would_have_got_it_is_held_out(programme):
    """Who holds it already is named so: the two groups are comparable."""
    offer = ConfigOfferFactory(programme=programme, repeat_policy="once_ever")
    campaign = CampaignFactory(programme=programme)
    half = done(offer, campaign=campaign, hold_out_percent=Decimal("50"))
    again = done(offer, campaign=campaign, hold_out_percent=Decimal("50"))
    assert again.excluded == {"already_held": half.eligible, "held_out": len(held_out(half))}
    assert again.eligible == 0
    rest = done(offer, campaign=campaign)
    assert rest.eligible == len(held_out(half))
