"""Runs later and again: once at a moment, once an occurrence, over clock changes and while nobody was there (D-09)."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from loyalty import clock
from loyalty.errors import InvalidInput
from offers.models import Assignment, MassAssignment, RunSchedule, Targeting
from offers.services import execution, mass_assignment, planning, run_schedule
from offers.services.mass_assignment import LaunchPlan
from offers.services.run_schedule import ScheduleOver, When, occurrences
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    TargetingFactory,
    draft_run,
    work,
)

State = MassAssignment.State
PARIS = ZoneInfo("Europe/Paris")


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_d_09_every_day_at_half_past_two_over_both_clock_changes():
    """D-09: skipped in March it is an hour later on the clock, and in October it happens once."""
    when = When("daily", time(2, 30), date(2027, 3, 27))
    found = list(islice(occurrences(when, zone=PARIS, after=at(2027, 3, 26)), 3))
    assert found == [at(2027, 3, 27, 1, 30), at(2027, 3, 28, 1, 30), at(2027, 3, 29, 0, 30)]
    found = list(islice(occurrences(when, zone=PARIS, after=at(2027, 10, 30, 12)), 2))
    assert found == [at(2027, 10, 31, 0, 30), at(2027, 11, 1, 1, 30)]


def test_d_09_every_week_is_on_the_first_days_weekday_and_ends_with_its_last_day():
    when = When("weekly", time(9), date(2026, 11, 24), date(2026, 12, 8))
    found = list(occurrences(when, zone=PARIS, after=at(2026, 11, 24, 8)))
    assert found == [at(2026, 12, 1, 8), at(2026, 12, 8, 8)]


def test_d_09_every_month_on_the_31st_is_its_last_day_where_there_is_none():
    when = When("monthly", time(0), date(2027, 1, 31))
    found = [one.astimezone(PARIS).date() for one in islice(occurrences(when, zone=PARIS, after=at(2027, 1, 1)), 4)]
    assert found == [date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 31), date(2027, 4, 30)]


@pytest.fixture
def offer():
    return ConfigOfferFactory(programme=ProgrammeFactory(timezone="Europe/Paris"), repeat_policy="once_ever")


def schedule(offer, when, now, **values):
    given = {
        "reference": uuid.uuid4(), "name": "", "campaign": None, "terms": {}, "member_values": {}, "rank": None,
        "hold_out_percent": Decimal(0), "plan": LaunchPlan(), "actor": None,
    } | values  # fmt: skip
    return run_schedule.create(
        programme=offer.programme, template=offer.templates.get(),
        targeting_version=(
            Targeting.objects.filter(programme=offer.programme, name="All").first()
            or TargetingFactory(programme=offer.programme, name="All")
        ).current_version,
        when=when, now=now, **given,
    )  # fmt: skip


@pytest.mark.django_db
def test_a_run_for_later_is_not_planned_before_its_moment(offer):
    """Issue 4, "now, later or recurring"; B-03: frozen at its moment, with who is there then."""
    MemberFactory(programme=offer.programme)
    now = clock.now()
    later = now + timedelta(hours=3)
    run = draft_run(offer, plan=LaunchPlan(launch_at=later))
    run = mass_assignment.launch(run=run, actor=None, now=now)
    assert (run.state, planning.plan(run_id=run.pk, now=now)) == (State.SCHEDULED, False)
    MemberFactory(programme=offer.programme)
    execution.run_to_end(run_id=run.pk, clock=lambda: later)
    assert Assignment.objects.filter(run=run).count() == 2


@pytest.mark.django_db
def test_a_run_for_later_is_moved_or_cancelled_until_it_begins(offer):
    """Issue 4: changed before it starts, never into the past, and not once it has begun."""
    MemberFactory(programme=offer.programme)
    now = clock.now()
    run = draft_run(offer, plan=LaunchPlan(launch_at=now + timedelta(days=1)))
    run = mass_assignment.launch(run=run, actor=None, now=now)
    with pytest.raises(InvalidInput, match="is over"):
        run_schedule.reschedule(run=run, launch_at=now, actor=None, now=now)
    run = run_schedule.reschedule(run=run, launch_at=now + timedelta(hours=1), actor=None, now=now)
    assert run.launch_at == now + timedelta(hours=1)
    execution.run_to_end(run_id=run.pk, clock=lambda: now + timedelta(hours=2))
    with pytest.raises(ScheduleOver):
        run_schedule.reschedule(run=run, launch_at=now + timedelta(days=1), actor=None, now=now)
    other = draft_run(offer, plan=LaunchPlan(launch_at=now + timedelta(days=1)))
    other = mass_assignment.launch(run=other, actor=None, now=now)
    assert mass_assignment.cancel(run=other, actor=None, now=now).state == State.CANCELLED


@pytest.mark.django_db
def test_each_occurrence_is_one_run_of_its_own_and_the_repeat_policy_leaves_out_who_has_it(offer):
    """Issue 4, recurring; B-03, D-01: the second day reaches only who is new."""
    MemberFactory.create_batch(3, programme=offer.programme)
    made = schedule(offer, When("daily", time(9), date(2027, 5, 1)), at(2027, 4, 30))
    assert made.next_at == at(2027, 5, 1, 7)
    assert run_schedule.make_due(now=at(2027, 5, 1, 6)) == []
    [first] = run_schedule.make_due(now=at(2027, 5, 1, 7))
    assert run_schedule.make_due(now=at(2027, 5, 1, 7)) == []
    run = work(MassAssignment.objects.get(pk=first))
    assert (run.state, run.occurrence_at, run.eligible) == (State.FINISHED, at(2027, 5, 1, 7), 3)
    assert run.name == f"{offer.name} → All, 2027-05-01"
    MemberFactory(programme=offer.programme)
    [second] = run_schedule.make_due(now=at(2027, 5, 2, 7, 10))
    run = work(MassAssignment.objects.get(pk=second))
    assert (run.matched, run.eligible, run.excluded) == (4, 1, {"already_held": 3})


@pytest.mark.django_db
def test_what_was_missed_while_nobody_was_there_is_made_up_for_once_and_counted(offer):
    """Issue 4, recurring: four days down, one run, three missed, and on it goes."""
    made = schedule(offer, When("daily", time(9), date(2027, 5, 1)), at(2027, 4, 30))
    [run_id] = run_schedule.make_due(now=at(2027, 5, 4, 12))
    made.refresh_from_db()
    assert (made.missed, made.next_at) == (3, at(2027, 5, 5, 7))
    assert MassAssignment.objects.get(pk=run_id).occurrence_at == at(2027, 5, 4, 7)


@pytest.mark.django_db
def test_a_schedule_is_paused_resumed_and_ended(offer):
    """Issue 4, recurring: paused days are not made up for; over is over."""
    made = schedule(offer, When("daily", time(9), date(2027, 5, 1)), at(2027, 4, 30))
    run_schedule.pause(schedule=made, actor=None, now=at(2027, 4, 30))
    assert run_schedule.make_due(now=at(2027, 5, 3)) == []
    made = run_schedule.resume(schedule=made, actor=None, now=at(2027, 5, 3, 12))
    assert made.next_at == at(2027, 5, 4, 7)
    made = run_schedule.end(schedule=made, actor=None, now=at(2027, 5, 3, 13))
    assert run_schedule.make_due(now=at(2027, 5, 9)) == []
    with pytest.raises(ScheduleOver):
        run_schedule.resume(schedule=made, actor=None, now=at(2027, 5, 9))


@pytest.mark.django_db
def test_after_its_last_day_a_schedule_is_over(offer):
    """Issue 4, recurring: from, until (included)."""
    made = schedule(offer, When("daily", time(9), date(2027, 5, 1), date(2027, 5, 1)), at(2027, 4, 30))
    assert len(run_schedule.make_due(now=at(2027, 5, 1, 8))) == 1
    made.refresh_from_db()
    assert (made.next_at, made.ended_at) == (None, at(2027, 5, 1, 8))


@pytest.mark.django_db
def test_an_occurrence_that_can_make_no_run_says_why_and_the_next_one_is_tried(offer):
    """Issue 4, recurring; S4-41: nothing half done."""
    made = schedule(offer, When("daily", time(9), date(2027, 5, 1)), at(2027, 4, 30))
    template = offer.templates.get()
    template.archived_at = at(2027, 4, 30)
    template.save()
    assert run_schedule.make_due(now=at(2027, 5, 1, 8)) == []
    made.refresh_from_db()
    assert (made.failure["code"], made.next_at) == ("offer_closed", at(2027, 5, 2, 7))
    assert not MassAssignment.objects.exists()
    template.archived_at = None
    template.save()
    assert len(run_schedule.make_due(now=at(2027, 5, 2, 8))) == 1
    made.refresh_from_db()
    assert made.failure is None


@pytest.mark.django_db
def test_c_04_a_schedule_that_breaks_does_not_hold_up_the_others(offer, monkeypatch):
    """C-04: what nobody foresaw of one is logged, and the run of the next one is made all the same."""
    broken = schedule(offer, When("daily", time(8), date(2027, 5, 1)), at(2027, 4, 30))
    whole = schedule(offer, When("daily", time(9), date(2027, 5, 1)), at(2027, 4, 30))
    make = run_schedule._make

    def breaks(schedule_id, now):
        if schedule_id == broken.pk:
            raise ZeroDivisionError
        return make(schedule_id, now)

    monkeypatch.setattr(run_schedule, "_make", breaks)
    [run_id] = run_schedule.make_due(now=at(2027, 5, 1, 12))
    assert MassAssignment.objects.get(pk=run_id).schedule_id == whole.pk
    broken.refresh_from_db()
    assert broken.next_at == at(2027, 5, 1, 6)


@pytest.mark.django_db
def test_a_period_without_an_occurrence_is_refused_and_a_form_sent_twice_makes_one(offer):
    """Issue 4, bad input: dates the wrong way round."""
    now = at(2027, 5, 10)
    with pytest.raises(InvalidInput, match="ends before it begins"):
        schedule(offer, When("daily", time(9), date(2027, 5, 20), date(2027, 5, 19)), now)
    with pytest.raises(InvalidInput, match="no occurrence"):
        schedule(offer, When("daily", time(9), date(2027, 1, 1), date(2027, 1, 2)), now)
    reference = uuid.uuid4()
    for _ in range(2):
        schedule(offer, When("weekly", time(9), date(2027, 5, 20)), now, reference=reference)
    assert RunSchedule.objects.count() == 1
