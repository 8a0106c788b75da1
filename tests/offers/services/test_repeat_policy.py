"""One open at a time: what has expired no longer holds the offer (D-01)."""

from datetime import timedelta

import pytest
from django.db import transaction

from loyalty import clock
from offers.models import Assignment, RepeatPolicy, Source
from offers.services import assignment, execution, mass_assignment
from offers.services.assignment import Grant
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, TargetingFactory, give

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def offer(programme):
    return ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONE_OPEN)


def expired(member, offer):
    """Give the offer and let its time pass."""
    held = give(member, offer)
    Assignment.objects.filter(pk=held.pk).update(ends_at=clock.now() - timedelta(hours=1))
    return held


def test_d_01_a_set_of_grants_frees_who_has_expired_and_nobody_else(programme, offer):
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    over, open_one = expired(ann, offer), give(ben, offer)
    template = offer.templates.get()
    with transaction.atomic():
        outcomes = assignment.assign(
            programme=programme,
            grants=[
                # By either name, and twice: the second finds the first one's.
                Grant(template_id=template.pk, member_external_id=ann.external_id),
                Grant(template_id=template.pk, member_id=ann.pk),
                Grant(template_id=template.pk, member_id=ben.pk),
            ],
            source=Source.API,
            actor=None,
            now=clock.now(),
        )
    assert [outcome.code for outcome in outcomes] == ["assigned", "already_held", "already_held"]
    over.refresh_from_db()
    open_one.refresh_from_db()
    assert (over.holding_key, open_one.holding_key) == (None, -1)


def test_d_01_a_run_frees_who_has_expired_and_nobody_else(programme, offer):
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    over, open_one = expired(ann, offer), give(ben, offer)
    elsewhere = expired(ann, ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONE_OPEN))
    run = mass_assignment.create(
        programme=programme,
        template=offer.templates.get(),
        targeting_version=TargetingFactory(programme=programme).current_version,
        name="",
        campaign=None,
        terms={},
        rank=None,
        actor=None,
        now=clock.now(),
    )
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert [given.member for given in Assignment.objects.filter(run=run)] == [ann]
    for each in (over, open_one, elsewhere):
        each.refresh_from_db()
    assert (over.holding_key, open_one.holding_key, elsewhere.holding_key) == (None, -1, -1)
