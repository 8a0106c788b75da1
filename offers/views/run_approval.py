"""Approving or declining a large run, in place, with everything in view: its numbers when it was asked, and now."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, toasts
from loyalty.errors import DomainError
from loyalty.staff import StaffRequest
from offers.selectors import mass_assignment as selectors
from offers.services import run_approval
from offers.tasks import mass_assignment as tasks
from offers.tasks import run_notification as mails
from offers.views import mass_assignment_launch
from offers.views.access import staff

PERMISSIONS = ("offers.view_massassignment", "offers.approve_massassignment")


@require_safe
@staff("offers.view_massassignment")
def now(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return what the run would do now, beside what it was asked with."""
    run = selectors.find(programme=request.programme, run_id=run_id)
    return render(request, "offers/_run_approval_now.html", mass_assignment_launch.seen(request, run))


@require_POST
@staff(*PERMISSIONS)
def approve(request: StaffRequest, run_id: int) -> HttpResponse:
    """Let another person's run go on; a second click finds it done."""
    return _decided(request, run_id, is_approved=True)


@require_POST
@staff(*PERMISSIONS)
def decline(request: StaffRequest, run_id: int) -> HttpResponse:
    """Cancel another person's run, with a reason."""
    return _decided(request, run_id, is_approved=False)


def _decided(request: StaffRequest, run_id: int, *, is_approved: bool) -> HttpResponse:
    run = selectors.find(programme=request.programme, run_id=run_id)
    given: dict[str, Any] = {"run": run, "actor": request.user, "now": clock.now()}
    try:
        if is_approved:
            run_approval.approve(**given)
        else:
            run_approval.decline(reason=request.POST.get("reason", ""), **given)
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        if is_approved:
            transaction.on_commit(lambda: tasks.ring(run.pk))
        else:
            transaction.on_commit(lambda: mails.ring(run.pk))
        toasts.say(request, _("Approved. The audience is being planned.") if is_approved else _("Declined."))
    return HttpResponseRedirect(reverse("offers:run", args=[run.pk]))
