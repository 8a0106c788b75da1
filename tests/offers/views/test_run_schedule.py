"""Launching later and again, from the page (issue 4, "now, later or recurring"; D-09)."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from loyalty import clock
from offers.models import MassAssignment, RunSchedule
from offers.services import run_schedule
from tests.factories import ProgrammeFactory
from tests.offers.views.marketer import filled_in, sign_in, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


def day(programme, days):
    return (clock.now().astimezone(programme.zone) + timedelta(days=days)).date()


def test_a_run_for_later_is_scheduled_in_the_programmes_zone_shown_and_moved(programme, coffee, everyone):
    """D-09, issue 4: nine o'clock of Paris; nothing before; another moment while it has not begun."""
    marketer = sign_in(programme)
    later = day(programme, 5)
    values = filled_in(coffee.templates.get(), everyone, when="later", first_day=later.isoformat(), at="09:00")
    assert "Schedule about 3 assignments" in words(marketer.get(reverse("offers:run_dry_run"), values))
    marketer.post(reverse("offers:run_new"), values)
    run = MassAssignment.objects.get()
    nine = datetime(later.year, later.month, later.day, 9, tzinfo=programme.zone)
    assert (run.state, run.launch_at) == ("scheduled", nine)
    page = reverse("offers:run", args=[run.pk])
    assert "(Europe/Paris), with the audience of then" in words(marketer.get(page))
    marketer.post(reverse("offers:run_moment", args=[run.pk]), {"launch_at": f"{later.isoformat()}T10:30"})
    run.refresh_from_db()
    assert run.launch_at == nine + timedelta(hours=1, minutes=30)
    for wrong in ("2001-01-01T10:00", "soon", "9999-12-31T23:59"):
        marketer.post(reverse("offers:run_moment", args=[run.pk]), {"launch_at": wrong})
    run.refresh_from_db()
    assert run.launch_at == nine + timedelta(hours=1, minutes=30)


def test_a_run_that_comes_again_is_listed_paused_resumed_and_ended(programme, coffee, everyone):
    """Issue 4, recurring: the list has the next occurrence, what was made and what was missed."""
    marketer = sign_in(programme)
    values = filled_in(
        coffee.templates.get(), everyone, when="weekly", first_day=day(programme, 1).isoformat(), at="09:00"
    )
    assert "Schedule runs that come again" in words(marketer.get(reverse("offers:run_dry_run"), values))
    kept = marketer.post(reverse("offers:run_new"), values | {"do": "keep"})
    assert (kept.status_code, "are not kept as a draft" in words(kept)) == (422, True)
    answer = marketer.post(reverse("offers:run_new"), values)
    marketer.post(reverse("offers:run_new"), values)
    schedule = RunSchedule.objects.get()
    assert answer.headers["Location"] == reverse("offers:run_schedules")
    assert not MassAssignment.objects.exists()
    run_schedule.make_due(now=schedule.next_at)
    assert MassAssignment.objects.get().schedule == schedule
    page = words(marketer.get(reverse("offers:run_schedules")))
    assert "Coffee → Everyone" in page
    assert "every week, 09:00" in page
    assert "1 run that it made stays, and goes on if it is not over. An ended schedule cannot be resumed." in page
    for verb, state in (("pause", "paused"), ("resume", "Pause"), ("end", "ended")):
        marketer.post(reverse(f"offers:run_schedule_{verb}", args=[schedule.pk]))
        assert state in words(marketer.get(reverse("offers:run_schedules")))
    schedule.refresh_from_db()
    assert schedule.ended_at is not None
    assert "End it for good" not in words(marketer.get(reverse("offers:run_schedules")))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"when": "later", "first_day": "2001-01-01", "at": "09:00"}, "The moment to launch at is over."),
        ({"when": "later", "first_day": "2999-01-01", "at": "09:00"}, "more than two years away"),
        ({"when": "later", "at": "09:00"}, "Give the day."),
        ({"when": "daily", "first_day": "2999-01-01"}, "Give the time."),
        ({"when": "daily", "first_day": "2999-01-02", "last_day": "2999-01-01", "at": "09:00"}, "It ends before it"),
        ({"when": "daily", "first_day": "2001-01-02", "last_day": "2001-01-03", "at": "09:00"}, "no occurrence"),
    ],
)
def test_dates_that_cannot_be_are_named_beside_their_field_and_nothing_is_made(
    programme, coffee, everyone, given, sentence
):
    """Issue 4, bad input: dates the wrong way round."""
    answer = sign_in(programme).post(reverse("offers:run_new"), filled_in(coffee.templates.get(), everyone, **given))
    assert answer.status_code == 422
    assert sentence in words(answer)
    assert not MassAssignment.objects.exists()
    assert not RunSchedule.objects.exists()


def test_another_programmes_schedule_is_not_found(programme, coffee, everyone):
    """D-21: neither shown nor paused."""
    values = filled_in(coffee.templates.get(), everyone, when="daily", first_day=day(programme, 1), at="09:00")
    sign_in(programme).post(reverse("offers:run_new"), values)
    schedule = RunSchedule.objects.get()
    stranger = sign_in(ProgrammeFactory())
    assert stranger.post(reverse("offers:run_schedule_end", args=[schedule.pk])).status_code == 404
    assert "Coffee" not in words(stranger.get(reverse("offers:run_schedules")))
