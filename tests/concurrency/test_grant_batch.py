"""Sets of grants at once: one form is one set, and two sets of an agent never go beyond her allowance together."""

import uuid

import pytest

from loyalty import clock
from offers.models import Assignment, GrantLedgerEntry
from support.models import Allowance, GrantBatch
from support.services import grant_batch
from support.services.grant import Why
from support.services.grant_batch_lines import Plan
from tests.factories import ConfigOfferFactory, MemberFactory, UserFactory, import_codes
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(programme):
    return UserFactory(role="support agent", programmes=[programme])


def plan(programme, members):
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy="unlimited")
    import_codes(offer, 60)
    named = [(n, one.external_id) for n, one in enumerate(members, 1)]
    return Plan(programme, offer.templates.get(), {}, named, Why("service", "#1"))


def test_b_05_the_same_form_sent_at_once_is_one_set(programme, agent):
    """B-05, R1: six times the same form in six threads: one set, each member given it once."""
    wish, reference = plan(programme, MemberFactory.create_batch(5, programme=programme)), uuid.uuid4()
    made = at_once([lambda: grant_batch.make(plan=wish, reference=reference, actor=agent, now=clock.now())] * 6)
    assert {one.pk for one in made} == {GrantBatch.objects.get().pk}
    assert Assignment.objects.count() == GrantLedgerEntry.objects.count() == 5


def test_b_05_of_two_sets_on_the_last_of_an_allowance_one_waits(programme, agent):
    """B-05: two different lists at once, where the allowance holds one of them."""
    Allowance.objects.create(programme=programme, per_week=5)
    wishes = [plan(programme, MemberFactory.create_batch(4, programme=programme)) for _ in range(2)]
    made = at_once(
        [
            lambda wish=wish: grant_batch.make(plan=wish, reference=uuid.uuid4(), actor=agent, now=clock.now())
            for wish in wishes
        ]
    )
    assert sorted(one.state for one in made) == ["granted", "waiting"]
    assert GrantLedgerEntry.objects.count() == 4
