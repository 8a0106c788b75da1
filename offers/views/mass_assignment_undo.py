"""Undoing a whole run: the dialog with its numbers, the undo, and who keeps hers (B-04; SCREENS, "A run")."""

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, toasts, whole_number
from loyalty.errors import DomainError
from loyalty.staff import StaffRequest
from offers.forms.mass_assignment_undo import UndoForm
from offers.selectors import mass_assignment as runs
from offers.selectors import mass_assignment_undo as selectors
from offers.services import mass_assignment_undo as service
from offers.tasks import mass_assignment_undo as tasks
from offers.views.access import staff

PERMISSIONS = ("offers.view_massassignment", "offers.undo_massassignment")


@require_safe
@staff(*PERMISSIONS)
def preview(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return the dialog's body: exactly what the undo would do now."""
    run = runs.find(programme=request.programme, run_id=run_id)
    context = {"run": run, "counts": selectors.foresee(run=run, now=clock.now()), "form": UndoForm()}
    return render(request, "offers/_run_undo_preview.html", context)


@require_POST
@staff(*PERMISSIONS)
def undo(request: StaffRequest, run_id: int) -> HttpResponse:
    """Begin the undo, or begin again with chunks that were given up; a second click changes nothing."""
    run = runs.find(programme=request.programme, run_id=run_id)
    form = UndoForm(request.POST)
    try:
        if not form.is_valid():
            toasts.say(request, " ".join(map(str, form.errors["reason"])), level="error")
        else:
            service.start(run=run, actor=request.user, now=clock.now(), reason=form.cleaned_data["reason"])
            transaction.on_commit(lambda: tasks.ring(run.pk))
            toasts.say(request, _("It is being undone. You may close this window."))
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    return HttpResponseRedirect(reverse("offers:run", args=[run.pk]))


@require_safe
@staff("offers.view_massassignment")
def kept(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return a page of the members whose offers could not be taken back, because they had used them."""
    run = runs.find(programme=request.programme, run_id=run_id)
    after = whole_number.read(request.GET.get("after")) or 0
    found, following = selectors.kept(run=run, after=after, size=50)
    return render(request, "offers/_run_kept.html", {"run": run, "kept": found, "after": following})
