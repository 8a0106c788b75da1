"""Allowances of the desk: who may grant how much alone, who is at how much now, and setting it (B-05)."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyalty import clock, staff, toasts
from loyalty.errors import DomainError
from support.forms.allowance import AllowanceForm, MemberAllowanceForm
from support.models import Allowance, MemberAllowance
from support.selectors import allowance_overview as selectors
from support.services import allowance_settings as service

SEE = ("support.view_allowance", "support.view_memberallowance")


@require_safe
@staff.required(*SEE)
def listing(request: staff.StaffRequest) -> HttpResponse:
    """Show every row, what members may be given, and how much of it each agent has used this week."""
    return render(request, "support/allowances.html", selectors.overview(programme=request.programme, now=clock.now()))


@require_http_methods(["GET", "HEAD", "POST"])
@staff.required(*SEE, "support.add_allowance")
def create(request: staff.StaffRequest) -> HttpResponse:
    """Set a row for a person, a role or everybody."""
    return _form(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@staff.required(*SEE, "support.change_allowance")
def edit(request: staff.StaffRequest, allowance_id: int) -> HttpResponse:
    """Change a row."""
    found = Allowance.objects.select_related("user", "role").filter(programme=request.programme)
    return _form(request, get_object_or_404(found, pk=allowance_id))


@require_POST
@staff.required(*SEE, "support.delete_allowance")
def remove(request: staff.StaffRequest, allowance_id: int) -> HttpResponse:
    """Take a row away."""
    service.remove(programme=request.programme, allowance_id=allowance_id, actor=request.user)
    toasts.say(request, _("Removed. What stands behind it counts from now on."))
    return redirect("support:allowances")


@require_http_methods(["GET", "HEAD", "POST"])
@staff.required(*SEE, "support.change_memberallowance")
def of_members(request: staff.StaffRequest) -> HttpResponse:
    """Set what one member may be given by the whole desk."""
    row = MemberAllowance.objects.filter(programme=request.programme).first()
    is_sent = request.method == "POST"
    form = MemberAllowanceForm(request.POST if is_sent else None, programme=request.programme, row=row)
    if is_sent and form.is_valid():
        given = form.cleaned_data
        service.put_members(
            programme=request.programme,
            days=given["days"],
            number=given["number"],
            amount_minor=given["money"],
            actor=request.user,
        )
        toasts.say(request, _("Saved. It counts from now on."))
        return redirect("support:allowances")
    return render(request, "support/allowance_of_members.html", {"form": form}, status=422 if is_sent else 200)


def _form(request: staff.StaffRequest, row: Allowance | None) -> HttpResponse:
    is_sent = request.method == "POST"
    form = AllowanceForm(request.POST if is_sent else None, programme=request.programme, row=row)
    if is_sent and form.is_valid():
        try:
            service.put(programme=request.programme, **form.whose(), limits=form.limits(), actor=request.user)
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            toasts.say(request, _("Saved. It counts from now on."))
            return redirect("support:allowances")
    context = {"form": form, "row": row}
    return render(request, "support/allowance.html", context, status=422 if is_sent else 200)
