"""Reissuing where limits are tight: the old share goes back before the new one is taken, or nothing changes (B-06)."""

from datetime import timedelta

import pytest

from loyalty import clock
from offers.models import Assignment, MemberCount, Source
from offers.selectors import integrity
from offers.services import reissue
from offers.services.verb import By
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    give,
    import_codes,
    limit_of,
)

pytestmark = pytest.mark.django_db
TWO_EUROS = {"validity": {"days": 30}, "benefit": {"type": "amount", "size": 200}}


@pytest.fixture
def programme():
    return ProgrammeFactory()


def reissued(held, now=None):
    return reissue.reissue(
        programme=held.member.programme, assignment_id=held.pk, reason="lost", by=By(Source.SUPPORT),
        now=now or clock.now(),
    )  # fmt: skip


def state_of(limit):
    limit.refresh_from_db()
    return limit.assigned, limit.spent_minor, limit.assigned_today, limit.spent_today_minor


def violations():
    return [one.check.name for one in integrity.examine() if one.violations]


def test_b_06_d_05_a_full_cap_budget_and_members_count_let_a_reissue_through(programme):
    """B-06, D-05, D-01: one for one: what the old one held is the new one's, and the numbers stay."""
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS, require_vouchers=True)
    import_codes(offer, 2)
    member = MemberFactory(programme=programme)
    limits = [limit_of(offer, cap=1, budget_minor=200, daily_cap=1), limit_of(campaign, cap=1, per_member=1)]
    held = give(member, offer, campaign_id=campaign.pk)
    answer = reissued(held)
    assert answer.code == "reissued"
    assert [state_of(limit) for limit in limits] == [(1, 200, 1, 200)] * 2
    assert MemberCount.objects.get().assigned == 1
    assert reissued(held).code == "already_reissued"
    assert [state_of(limit) for limit in limits] == [(1, 200, 1, 200)] * 2
    assert violations() == []


@pytest.mark.parametrize(("lowered", "code"), [({"cap": 0}, "cap_reached"), ({"budget_minor": 199}, "budget_reached")])
def test_b_06_d_05_a_limit_lowered_below_what_was_given_refuses_a_reissue_and_nothing_changes(programme, lowered, code):
    """B-06, D-05: the old one stays with its code, its share and its place."""
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS, require_vouchers=True)
    import_codes(offer, 2)
    limit = limit_of(offer, cap=5)
    held = give(MemberFactory(programme=programme), offer)
    limit_of(offer, **lowered)
    answer = reissued(held)
    assert (answer.code, answer.is_reissued) == (code, False)
    assert answer.reasons[0].code.startswith("offer_")
    again = Assignment.objects.get()
    assert (again.revoked_at, again.voucher_code_id) == (None, held.voucher_code_id)
    assert state_of(limit) == (1, 200, 1, 200)
    assert sum(s.size - s.cursor for s in offer.voucher_bank.segments.all()) == 1
    assert violations() == []


def test_b_06_d_09_a_reissue_on_a_later_day_counts_for_that_day(programme):
    """B-06, D-05, D-09: yesterday's share goes back to the whole, and today's is taken; a full day refuses."""
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    today = clock.now()
    held = give(ann, offer, now=today - timedelta(days=1))
    limit = limit_of(offer, daily_cap=1, cap=5)
    assert state_of(limit) == (1, 200, 0, 0)
    assert reissued(held, today).is_reissued
    assert state_of(limit) == (1, 200, 1, 200)
    limit_of(offer, daily_cap=2)
    given = give(ben, offer)
    limit_of(offer, daily_cap=1)
    assert reissued(given, today).code == "cap_reached"
    assert state_of(limit) == (2, 400, 2, 400)
    assert violations() == []
