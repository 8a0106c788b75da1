"""A run's progress tells the truth: committed chunks, the rate of the last minute, who is at it (issue 4, S4-27)."""

from datetime import UTC, datetime, timedelta

import pytest

from offers.models import MassAssignment, MassAssignmentChunk
from offers.selectors import mass_assignment
from tests.factories import ConfigOfferFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def run_of(state, *, done, open_=(), planned_minutes=10):
    """A run with a chunk of 100 for each of the seconds since it was done, and open ones leased for so long yet."""
    offer = ConfigOfferFactory()
    run = MassAssignment.objects.create(
        programme=offer.programme,
        name="x",
        config_offer=offer,
        template=offer.templates.get(),
        state=state,
        planned_at=NOW - timedelta(minutes=planned_minutes),
        matched=0,
        eligible=100 * (len(done) + len(open_)),
    )
    chunks = [{"done_at": NOW - timedelta(seconds=ago), "assigned": 90} for ago in done]
    chunks += [{"leased_until": None if left is None else NOW + timedelta(seconds=left)} for left in open_]
    for number, given in enumerate(chunks):
        MassAssignmentChunk.objects.create(
            run=run, number=number, first_member_id=number, last_member_id=number, size=100, **given
        )
    return run


def progress(run):
    return mass_assignment.progress(run=run, now=NOW)


def test_the_rate_is_that_of_the_last_minute_and_so_is_the_time_left():
    """Issue 4: a quick beginning does not hide that it is slow now."""
    found = progress(run_of("running", done=[500, 499, 498, 497, 40, 20], open_=[30, None, None]))
    assert (found.done, found.total, found.assigned) == (600, 900, 540)
    assert found.per_minute == 200
    assert found.seconds_left == 90
    assert found.workers == 1


def test_a_run_that_stands_still_has_neither_rate_nor_time_left():
    found = progress(run_of("running", done=[300, 200], open_=[-5, None]))
    assert (found.per_minute, found.seconds_left, found.workers) == (None, None, 0)


def test_a_run_that_just_began_is_not_counted_over_a_minute_that_it_did_not_have():
    found = progress(run_of("running", done=[5, 1], open_=[None] * 2, planned_minutes=0.1))
    assert (found.per_minute, found.seconds_left) == (2000, 6)


def test_a_paused_run_has_no_rate_and_a_finished_one_has_its_own():
    paused = progress(run_of("paused", done=[30], open_=[None]))
    assert (paused.per_minute, paused.seconds_left) == (None, None)
    finished = progress(run_of("finished", done=[500, 480]))
    assert (finished.per_minute, finished.seconds_left) == (100, None)
