"""Runs that come again: a list with the next occurrence of each; pausing, resuming, ending; and a run's own moment."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, toasts, years
from loyalty.errors import DomainError, InvalidInput
from loyalty.staff import StaffRequest
from offers.selectors import mass_assignment as runs
from offers.selectors import run_schedule as selectors
from offers.services import run_schedule as service
from offers.services import run_targeting
from offers.views.access import staff

VERBS = {
    "pause": (service.pause, gettext_lazy("Paused: it makes no runs until you resume it.")),
    "resume": (service.resume, gettext_lazy("It goes on with its next occurrence.")),
    "audience": (
        run_targeting.take_current_again,
        gettext_lazy("Its next runs reach the audience as it is saved now."),
    ),
    "end": (service.end, gettext_lazy("Ended. The runs that it made stay.")),
}


@require_safe
@staff("offers.view_massassignment")
def schedules(request: StaffRequest) -> HttpResponse:
    """List the schedules, the next occurrence first."""
    return render(request, "offers/run_schedules.html", {"schedules": selectors.schedules(programme=request.programme)})


@require_POST
@staff("offers.view_massassignment", "offers.launch_massassignment")
def act(request: StaffRequest, schedule_id: int, verb: str) -> HttpResponse:
    """Pause, resume or end one; a second click finds it done."""
    found = selectors.find(programme=request.programme, schedule_id=schedule_id)
    do, words = VERBS[verb]
    try:
        do(schedule=found, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, str(words))
    return HttpResponseRedirect(reverse("offers:run_schedules"))


@require_POST
@staff("offers.view_massassignment", "offers.launch_massassignment")
def reschedule(request: StaffRequest, run_id: int) -> HttpResponse:
    """Give a run that has not begun another moment, in the programme's zone."""
    run = runs.find(programme=request.programme, run_id=run_id)
    try:
        launch_at = _moment(request.POST.get("launch_at", ""), request.programme.zone)
        service.reschedule(run=run, launch_at=launch_at, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, _("Moved."))
    return HttpResponseRedirect(reverse("offers:run", args=[run.pk]))


@require_POST
@staff("offers.view_massassignment", "offers.launch_massassignment")
def take_audience(request: StaffRequest, run_id: int) -> HttpResponse:
    """Have a run that has not begun reach its audience as it is saved now (B-03)."""
    run = runs.find(programme=request.programme, run_id=run_id)
    try:
        run_targeting.take_current(run=run, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, _("It reaches the audience as it is saved now."))
    return HttpResponseRedirect(reverse("offers:run", args=[run.pk]))


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """Read what the field for a day and a time sends: a clock's time in the zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo or not years.are_kept(found):
        raise InvalidInput(_("Give a day and a time, such as 2026-12-31T18:00."), code="not_a_moment")
    return found.replace(tzinfo=zone)
