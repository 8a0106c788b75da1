"""Several runs at once share the workers fairly: whose turn it is, and who is planned when."""

from datetime import timedelta

import pytest

from loyalty import clock
from offers.models import MassAssignment, MassAssignmentChunk
from offers.services import execution, mass_assignment, turn
from offers.tasks import mass_assignment as tasks
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory, draft_run, launch_run, plan_run

pytestmark = pytest.mark.django_db
State = MassAssignment.State


@pytest.fixture(autouse=True)
def _small_chunks(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 2


@pytest.fixture
def offer():
    return ConfigOfferFactory(repeat_policy="unlimited")


def of(offer, number):
    """Return a targeting of so many members, with them."""
    city = f"City {number}"
    MemberFactory.create_batch(number, programme=offer.programme, city=city)
    leaf = {"field": "member.city", "is": "equals", "value": city}
    return TargetingFactory(programme=offer.programme, criteria={"op": "and", "items": [leaf]})


def turns(most=50):
    taken = []
    while len(taken) < most and (run_id := turn.take(now=clock.now())) is not None:
        taken.append(run_id)
    return taken


def test_a_small_run_planned_behind_a_huge_one_ends_long_before_it(offer):
    """Issue 4, "several runs at once share workers fairly": chunk by chunk, in turn."""
    huge = plan_run(offer, targeting=of(offer, 20))
    assert [turn.take(now=clock.now()), turn.take(now=clock.now())] == [huge.pk, huge.pk]
    small = plan_run(offer, targeting=of(offer, 4))
    assert turns()[:4] == [huge.pk, small.pk, huge.pk, small.pk]
    small.refresh_from_db()
    huge.refresh_from_db()
    assert (small.state, huge.state) == (State.FINISHED, State.FINISHED)
    assert small.finished_at < huge.finished_at


def test_the_run_with_the_fewest_workers_comes_first(offer):
    """Issue 4: a run at which two are at work gives way to one at which nobody is."""
    first, second = plan_run(offer, targeting=of(offer, 8)), plan_run(offer, targeting=of(offer, 6))
    now = clock.now()
    busy = list(first.chunks.order_by("number").values_list("pk", flat=True)[:2])
    MassAssignmentChunk.objects.filter(pk__in=busy).update(leased_until=now + timedelta(minutes=2), attempts=1)
    assert turn.order(now=now) == [second.pk, first.pk]
    # Their leases ran out: they are at nothing any more, and the run that waited longest comes first.
    assert turn.order(now=now + timedelta(minutes=3)) == [first.pk, second.pk]


def test_paused_runs_and_those_whose_last_chunk_is_in_hand_have_no_turn(offer):
    """S4-27: what nobody can take is offered to nobody, and a run is not finished under a chunk in work."""
    paused, last = plan_run(offer, targeting=of(offer, 4)), plan_run(offer, targeting=of(offer, 2))
    mass_assignment.pause(run=paused, actor=None, now=clock.now())
    last.chunks.update(leased_until=clock.now() + timedelta(minutes=2), attempts=1)
    assert turn.take(now=clock.now()) is None
    last.refresh_from_db()
    assert last.state == State.RUNNING


def test_a_worker_in_a_huge_run_plans_what_is_launched_meanwhile_after_its_chunk(offer, monkeypatch):
    """Issue 4: the small one's own message waits behind the huge run's, and need not come at all."""
    monkeypatch.setattr(tasks, "ring", lambda run_id, messages=1: None)
    huge = plan_run(offer, targeting=of(offer, 20))
    small = draft_run(offer, targeting=of(offer, 4))
    do_next_chunk, done = execution.do_next_chunk, []

    def noted(*, run_id, now):
        is_done = do_next_chunk(run_id=run_id, now=now)
        done.append(run_id)
        if len(done) == 1:
            mass_assignment.launch(run=small, actor=None, now=now)
        return is_done

    monkeypatch.setattr(execution, "do_next_chunk", noted)
    tasks.work(huge.pk)
    assert done.index(small.pk) <= 2
    assert done.count(small.pk) == 2
    assert done.count(huge.pk) == 10
    assert len(done) - 1 - done[::-1].index(small.pk) < 6, "the small one ended in the middle of the huge one"


def test_the_one_launched_first_is_planned_first(offer):
    """Issue 4: planning goes by who waited longest; one in somebody's hands is left alone."""
    targeting = of(offer, 2)
    first, second = launch_run(offer, targeting=targeting), launch_run(offer, targeting=targeting)
    now = clock.now()
    assert turn.next_to_plan(now=now) == first.pk
    MassAssignment.objects.filter(pk=first.pk).update(leased_until=now + timedelta(minutes=2))
    assert turn.next_to_plan(now=now) == second.pk
