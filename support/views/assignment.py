"""One assignment: both its source documents, its moments, terms and events; its code; taking it back."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, staff, toasts
from loyalty.errors import Conflict
from offers.models import Source
from offers.models.outcome import OUTCOME_SENTENCES
from offers.services import assignment_verbs
from support.forms.assignment import RevokeForm
from support.selectors import assignment as selectors
from support.selectors import member as members
from support.services import grant as grants

NOT_REVOKED = {
    "already_revoked": gettext_lazy("It was revoked before."),
    "used_up": gettext_lazy("It is used up, so there is nothing to take back."),
    "closed": gettext_lazy("It is closed already."),
}


@require_safe
@staff.required("loyalty.view_member", "offers.view_assignment")
def detail(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Show one assignment with everything behind it (S0-03, S0-10)."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    now = clock.now()
    context = {
        "assignment": assignment,
        "member": assignment.member,
        "detail": selectors.detail(assignment=assignment, now=now),
        "form": RevokeForm(),
        "now": now,
        "sentences": OUTCOME_SENTENCES,
    }
    return render(request, "support/assignment.html", context)


@require_POST
@staff.required("loyalty.view_member", "offers.view_assignment", "offers.see_voucher_code")
def show_code(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Show the voucher code for reading out; that it was shown is recorded first (D-10)."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    code = assignment_verbs.expose(
        member_id=assignment.member_id,
        assignment_id=assignment.pk,
        now=clock.now(),
        source=Source.SUPPORT,
        actor=request.user,
    )
    return render(request, "support/_code.html", {"code": code})


@require_POST
@staff.required("loyalty.view_member", "offers.view_assignment", "offers.revoke_assignment")
def revoke(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Take the assignment back, with a reason."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    form = RevokeForm(request.POST)
    address = reverse("support:assignment", args=[assignment.pk])
    if not form.is_valid():
        toasts.say(request, _("Say why it is revoked. Nothing was changed."), level="error")
        return HttpResponseRedirect(address)
    reason = form.cleaned_data["reason"]
    answer = grants.revoke(assignment=assignment, reason=reason, actor=request.user, now=clock.now())
    if answer.code == "revoked":
        toasts.say(request, _("Revoked. The member no longer has it."))
    else:
        toasts.say(request, str(NOT_REVOKED[answer.code]), level="warning")
    return HttpResponseRedirect(address)


@require_POST
@staff.required("loyalty.view_member", "offers.grant_assignment")
def undo(request: staff.StaffRequest, member_id: int, assignment_id: UUID) -> HttpResponse:
    """Take back one's own grant of a moment ago."""
    member = members.get(programme=request.programme, member_id=member_id)
    try:
        answer = grants.undo(member=member, assignment_id=assignment_id, actor=request.user, now=clock.now())
    except Conflict as error:
        toasts.say(request, error.message, level="error")
    else:
        if answer.is_revoked:
            toasts.say(request, _("Undone. The member no longer has it."), level="info")
        else:
            toasts.say(request, str(NOT_REVOKED[answer.code]), level="warning")
    return HttpResponseRedirect(reverse("support:member", args=[member.pk]))
