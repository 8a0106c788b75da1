"""`check_integrity` and limits (D-05): a sound row passes, each count that is wrong is found."""

import pytest

from loyalty import clock
from loyalty.database import execute
from offers.selectors import integrity
from offers.services import execution, revocation
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    give,
    limit_of,
    plan_run,
)
from tests.offers.selectors.integrity_plants import PLANTS_OF_LIMITS

pytestmark = pytest.mark.django_db


def found(programme=None):
    return {one.check.name for one in integrity.examine(programme=programme) if one.violations}


@pytest.fixture
def run(settings):
    """A run half done under both owners' limits, beside single grants, one of them taken back."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(
        programme=programme, repeat_policy="unlimited", terms={"benefit": {"type": "amount", "size": 5}}
    )
    campaign, (ann, ben, *_rest) = (
        CampaignFactory(programme=programme),
        MemberFactory.create_batch(5, programme=programme),
    )
    limit_of(offer, cap=50)
    limit_of(campaign, per_member=3)
    give(ann, offer, campaign_id=campaign.pk)
    back = give(ben, offer, campaign_id=campaign.pk)
    revocation.revoke(programme=programme, assignment_id=back.pk, reason="", now=clock.now())
    run = plan_run(offer, campaign=campaign)
    ben.status = "inactive"
    ben.save()
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    return run


def test_d_05_limits_are_whole_while_a_run_is_at_work_and_when_it_is_over(run):
    assert found() == set()
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    assert found() == found(run.programme) == set()


@pytest.mark.parametrize(("plant", "finds"), PLANTS_OF_LIMITS.values(), ids=PLANTS_OF_LIMITS)
def test_d_05_a_count_that_is_wrong_is_found_in_its_programme_and_in_no_other(run, plant, finds):
    assert execute(plant) > 0
    assert found() == found(run.programme) == finds
    assert found(ProgrammeFactory()) == set()
