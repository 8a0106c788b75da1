"""Going on from a run to new members, and beginning another like it (B-03; SCREENS, "A run")."""

import uuid
from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, toasts
from loyalty.errors import DomainError
from loyalty.staff import StaffRequest
from offers.forms import run_rules
from offers.models import MassAssignment
from offers.selectors import audience as audiences
from offers.selectors import mass_assignment as runs
from offers.services import mass_assignment_clone as clones
from offers.services import mass_assignment_diff as service
from offers.services import run_dry_run
from offers.services.audience import DryRun
from offers.services.mass_assignment_clone import Copied
from offers.tasks import mass_assignment as tasks
from offers.views.access import staff

PERMISSIONS = ("offers.view_massassignment", "offers.add_massassignment", "offers.launch_massassignment")


@require_safe
@staff(*PERMISSIONS)
def preview(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return the dialog's body: how many match now and are new, and what a launch would need."""
    run = runs.find(programme=request.programme, run_id=run_id)
    context: dict[str, Any] = {"run": run, "reference": uuid.uuid4()}
    try:
        found = service.dry_run(run=run, now=clock.now())
    except DomainError as error:
        context["refusal"] = error.message
    else:
        excluded = [(audiences.COUNTED.get(code, code), count) for code, count in sorted(found.excluded.items())]
        context |= {"found": found, "excluded": excluded, "is_short": _is_short(found)}
        context["needs_approval"] = run_dry_run.needs_approval(
            programme=request.programme, found=found, differs=bool(run.member_values)
        )
    return render(request, "offers/_run_diff_preview.html", context)


@require_POST
@staff(*PERMISSIONS)
def start(request: StaffRequest, run_id: int) -> HttpResponse:
    """Launch a run that goes on from this one; sent twice, it is launched once."""
    run = runs.find(programme=request.programme, run_id=run_id)
    try:
        reference = uuid.UUID(request.POST.get("reference", ""))
    except ValueError:
        reference = uuid.uuid4()
    try:
        made = service.start(run=run, reference=reference, actor=request.user, now=clock.now()).run
    except DomainError as error:
        toasts.say(request, error.message, level="error")
        return HttpResponseRedirect(reverse("offers:run", args=[run.pk]))
    transaction.on_commit(lambda: tasks.ring(made.pk))
    toasts.say(request, _("Launched. The new members are being worked out."))
    return HttpResponseRedirect(reverse("offers:run", args=[made.pk]))


@require_safe
@staff("offers.view_massassignment", "offers.add_massassignment")
def clone(request: StaffRequest, run_id: int) -> HttpResponse:
    """Open the launch page filled in as this run was; nothing is made before it is sent."""
    run = runs.find(programme=request.programme, run_id=run_id)
    copied = clones.copied(run=run, now=clock.now())
    for left_out in copied.left_out:
        toasts.say(request, _("Not copied. %(why)s") % {"why": left_out["message"]}, level="warning")
    return HttpResponseRedirect(f"{reverse('offers:run_new')}?{_filled_in(run, copied).urlencode()}")


def _filled_in(run: MassAssignment, copied: Copied) -> QueryDict:
    data = QueryDict(mutable=True)
    data["template"] = str(run.template_id)
    data["terms"] = "set"
    if run.targeting_version:
        data["targeting"] = str(run.targeting_version.targeting_id)
    if run.campaign and not run.campaign.is_of_run:
        data["campaign"] = str(run.campaign_id)
    if run.hold_out_percent:
        data["hold_out"] = str(run.hold_out_percent)
    if run.rank is not None:
        data["rank"] = str(run.rank)
    data["name"] = clones.name_of_clone(run)
    for name, value in run_rules.typed(
        programme=run.programme, terms=run.terms, member_values=copied.member_values
    ).items():
        if value not in (None, "", []):
            data.setlist(name, [str(each) for each in value] if isinstance(value, list) else [str(value)])
    return data


def _is_short(found: DryRun) -> bool:
    return bool(found.codes_short or found.limits)
