"""`check_integrity` and undone runs (B-04): a sound one passes, each count that is wrong is found."""

import pytest

from loyalty import clock
from loyalty.database import execute
from offers.models import Assignment
from offers.selectors import integrity
from offers.services import execution, mass_assignment_undo
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, plan_run, redeem
from tests.offers.selectors.integrity_plants import PLANTS_OF_UNDO

pytestmark = pytest.mark.django_db


def found(programme=None):
    return {one.check.name for one in integrity.examine(programme=programme) if one.violations}


@pytest.fixture
def run(settings):
    """An undone run of two chunks; one member had used hers."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    programme = ProgrammeFactory()
    MemberFactory.create_batch(3, programme=programme)
    run = execution.run_to_end(run_id=plan_run(ConfigOfferFactory(programme=programme)).pk, clock=clock.now)
    redeem(Assignment.objects.filter(run=run).order_by("member").last())
    mass_assignment_undo.start(run=run, actor=None, now=clock.now())
    return mass_assignment_undo.run_to_end(run_id=run.pk, clock=clock.now)


def test_b_04_an_undone_run_is_whole(run):
    assert (run.state, found(), found(run.programme)) == ("undone", set(), set())


@pytest.mark.parametrize(("plant", "finds"), PLANTS_OF_UNDO.values(), ids=PLANTS_OF_UNDO)
def test_b_04_an_undo_that_counted_wrong_is_found_in_its_programme_and_in_no_other(run, plant, finds):
    assert execute(plant) > 0
    assert found() == found(run.programme) == finds
    assert found(ProgrammeFactory()) == set()
