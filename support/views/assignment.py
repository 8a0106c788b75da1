"""One assignment: both its source documents, its moments, terms and events; its code; the verbs on it."""

from collections.abc import Sequence
from uuid import UUID

from django.forms import Form
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, staff, toasts
from offers.models import Source
from offers.models.outcome import OUTCOME_SENTENCES, VERB_REFUSALS
from offers.services import assignment_verbs
from support.forms.assignment import CloseForm, ExtendForm, ReissueForm, RevokeForm
from support.selectors import assignment as selectors
from support.selectors import member as members
from support.services import assignment as service


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
        "forms": {
            # Several of them on one page: each field has an id of its own.
            "revoke": RevokeForm(auto_id="revoke_%s"),
            "reissue": ReissueForm(auto_id="reissue_%s"),
            "extend": ExtendForm(auto_id="extend_%s"),
            "close": CloseForm(auto_id="close_%s"),
        },
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
    if not form.is_valid():
        return _said(request, assignment.pk, _problems(form), level="error")
    answer = service.revoke(
        assignment=assignment, reason=form.cleaned_data["reason"], actor=request.user, now=clock.now()
    )
    if answer.code == "revoked":
        return _said(request, assignment.pk, _("Revoked. The member no longer has it."))
    return _refused(request, assignment.pk, answer.code)


@require_POST
@staff.required("loyalty.view_member", "offers.view_assignment", "offers.reissue_assignment")
def reissue(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Void the assignment and give its member the same offer anew (B-06); go to the new one."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    form = ReissueForm(request.POST)
    if not form.is_valid():
        return _said(request, assignment.pk, _problems(form), level="error")
    answer = service.reissue_for(
        assignment=assignment,
        reason=form.cleaned_data["reason"],
        ends_at=form.ends_at(request.programme.zone),
        actor=request.user,
        now=clock.now(),
    )
    if answer.assignment_id is None:
        said = [reason.message for reason in answer.reasons if reason.message]
        return _refused(request, assignment.pk, answer.code, said)
    text = _("It was reissued before: this is the new one.")
    if answer.code == "reissued":
        text = _("Reissued. This is the new one; the old one and its code are void.")
    return _said(request, answer.assignment_id, text)


@require_POST
@staff.required("loyalty.view_member", "offers.view_assignment", "offers.extend_assignment")
def extend(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Let the assignment end later."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    form = ExtendForm(request.POST)
    ends_at = form.ends_at(request.programme.zone) if form.is_valid() else None
    if ends_at is None:
        return _said(request, assignment.pk, _problems(form), level="error")
    answer = service.extend(
        assignment=assignment,
        reason=form.cleaned_data["reason"],
        ends_at=ends_at,
        actor=request.user,
        now=clock.now(),
    )
    if not answer.is_extended:
        return _refused(request, assignment.pk, answer.code)
    day = formats.date_format(form.cleaned_data["last_day"], "D j M Y")
    return _said(request, assignment.pk, _("Extended. It is usable to the end of %(day)s.") % {"day": day})


@require_POST
@staff.required("loyalty.view_member", "offers.view_assignment", "offers.close_assignment")
def close(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Close the assignment before it is used up."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    form = CloseForm(request.POST)
    if not form.is_valid():
        return _said(request, assignment.pk, _problems(form), level="error")
    answer = service.close(
        assignment=assignment, reason=form.cleaned_data["reason"], actor=request.user, now=clock.now()
    )
    if answer.code == "closed":
        return _said(request, assignment.pk, _("Closed. The member can no longer use it."))
    return _refused(request, assignment.pk, "closed" if answer.is_closed else answer.code)


@require_POST
@staff.required("loyalty.view_member", "offers.grant_assignment")
def undo(request: staff.StaffRequest, member_id: int, assignment_id: UUID) -> HttpResponse:
    """Take back one's own grant of a moment ago."""
    member = members.get(programme=request.programme, member_id=member_id)
    answer = service.undo(member=member, assignment_id=assignment_id, actor=request.user, now=clock.now())
    if answer.is_revoked:
        toasts.say(request, _("Undone. The member no longer has it."), level="info")
    else:
        level = "error" if answer.code == "too_late" else "warning"
        toasts.say(request, str(VERB_REFUSALS[answer.code]), level=level)
    return HttpResponseRedirect(reverse("support:member", args=[member.pk]))


def _said(request: staff.StaffRequest, assignment_id: UUID, text: str, level: str = "success") -> HttpResponse:
    toasts.say(request, text, level=level)
    return HttpResponseRedirect(reverse("support:assignment", args=[assignment_id]))


def _refused(request: staff.StaffRequest, assignment_id: UUID, code: str, said: Sequence[str] = ()) -> HttpResponse:
    text = " ".join(said) or str(VERB_REFUSALS.get(code) or OUTCOME_SENTENCES[code])
    return _said(request, assignment_id, text, level="warning")


def _problems(form: Form) -> str:
    """Say everything that is wrong with the form, field by field."""
    found = [f"{form.fields[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]
    return " ".join([*found, _("Nothing was changed.")])
