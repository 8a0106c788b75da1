"""One assignment: both its source documents, its moments, terms and events; its code; the verbs on it."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from loyalty import clock, staff, toasts
from offers.models import Assignment, Source
from offers.models.outcome import OUTCOME_SENTENCES, VERB_REFUSALS
from offers.services import assignment_verbs, extension
from support.forms.assignment import CloseForm, ExtendForm, ReasonForm, RedeemForm, ReissueForm, RevokeForm
from support.selectors import assignment as selectors
from support.selectors import member as members
from support.services import assignment as service
from support.services import member as member_service

FORMS: dict[str, type[ReasonForm]] = {
    "revoke": RevokeForm,
    "reissue": ReissueForm,
    "extend": ExtendForm,
    "close": CloseForm,
    "redeem": RedeemForm,
}
# What a dialog is called, and its button says.
TITLES = {
    "revoke": gettext_lazy("Revoke %(offer)s"),
    "reissue": gettext_lazy("Reissue %(offer)s"),
    "extend": gettext_lazy("Extend %(offer)s"),
    "close": gettext_lazy("Close %(offer)s"),
    "redeem": gettext_lazy("Mark %(offer)s as used"),
}


@dataclass(frozen=True)
class Said:
    """What a verb did, in words; `assignment_id` is another one than was asked about where that one is shown next."""

    text: str
    assignment_id: UUID | None = None
    undo: str = ""


@dataclass(frozen=True)
class Refused:
    """Why a verb did nothing: its code, and the sentences that say it better than the code's own."""

    code: str
    sentences: Sequence[str] = ()

    def __str__(self) -> str:
        return " ".join(self.sentences) or str(VERB_REFUSALS.get(self.code) or OUTCOME_SENTENCES[self.code])


Act = Callable[[staff.StaffRequest, Assignment, Any], Said | Refused]


def verb(name: str) -> Callable[[Act], staff.View]:
    """Make a page of what a verb does with its filled-in form: whose it is, what is wrong with it, what came of it.

    A dialog stays open where it is refused, with what was typed; without scripts the assignment's page says it.
    """

    def decorate(act: Act) -> staff.View:
        @require_POST
        @staff.required("loyalty.view_member", "offers.view_assignment", f"offers.{name}_assignment")
        @functools.wraps(act)
        def page(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
            assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
            form = FORMS[name](request.POST, auto_id=f"{name}_%s", assignment=assignment, user=request.user)
            came = act(request, assignment, form) if form.is_valid() else None
            if isinstance(came, Said):
                toasts.say(request, came.text, undo=came.undo)
                address = reverse("support:assignment", args=[came.assignment_id or assignment.pk])
                if request.POST.get("back") == "member":
                    # Done from her page: there the agent goes on.
                    address = reverse("support:member", args=[assignment.member_id])
                return HttpResponseClientRedirect(address) if request.htmx else HttpResponseRedirect(address)
            if request.htmx:
                context = _dialogs(assignment)
                context |= {"verb": name, "title": context["titles"][name], "form": form, "refusal": came}
                context["back"] = "member" if request.POST.get("back") == "member" else ""
                return render(request, "support/_verb_form.html", context, status=409 if came else 422)
            toasts.say(request, str(came or _problems(form)), level="warning" if came else "error")
            return HttpResponseRedirect(reverse("support:assignment", args=[assignment.pk]))

        return page

    return decorate


@require_safe
@staff.required("loyalty.view_member", "offers.view_assignment")
def detail(request: staff.StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Show one assignment with everything behind it (S0-03, S0-10)."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    now = clock.now()
    service.record_opening(assignment=assignment, actor=request.user)
    context = _dialogs(assignment) | {
        "detail": selectors.detail(assignment=assignment, now=now),
        # Several of them on one page: each field has an id of its own.
        "forms": {
            verb: form(auto_id=f"{verb}_%s", assignment=assignment, user=request.user) for verb, form in FORMS.items()
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
    if code:
        member_service.record_code(member=assignment.member, assignment_id=assignment.pk, actor=request.user)
    return render(request, "support/_code.html", {"code": code})


@verb("revoke")
def revoke(request: staff.StaffRequest, assignment: Assignment, form: RevokeForm) -> Said | Refused:
    """Take the assignment back, with a reason."""
    answer = service.revoke(
        assignment=assignment, reason=form.cleaned_data["reason"], actor=request.user, now=clock.now()
    )
    if answer.code == "revoked":
        return Said(_("Revoked. The member no longer has it."))
    return Refused(answer.code)


@verb("reissue")
def reissue(request: staff.StaffRequest, assignment: Assignment, form: ReissueForm) -> Said | Refused:
    """Void the assignment and give its member the same offer anew (B-06); go to the new one."""
    answer = service.reissue_for(
        assignment=assignment,
        reason=form.cleaned_data["reason"],
        ends_at=form.ends_at(request.programme.zone),
        actor=request.user,
        now=clock.now(),
    )
    if answer.assignment_id is None:
        return Refused(answer.code, [reason.message for reason in answer.reasons])
    text = _("It was reissued before: this is the new one.")
    if answer.code == "reissued":
        text = _("Reissued. This is the new one; the old one and its code are void.")
    return Said(text, answer.assignment_id)


@verb("extend")
def extend(request: staff.StaffRequest, assignment: Assignment, form: ExtendForm) -> Said | Refused:
    """Let the assignment end later."""
    answer = service.extend(
        assignment=assignment,
        reason=form.cleaned_data["reason"],
        ends_at=form.end_of_last_day(request.programme.zone),
        actor=request.user,
        now=clock.now(),
    )
    if not answer.is_extended:
        return Refused(answer.code)
    day = formats.date_format(form.cleaned_data["last_day"], "D j M Y")
    return Said(_("Extended. It is usable to the end of %(day)s.") % {"day": day})


@verb("close")
def close(request: staff.StaffRequest, assignment: Assignment, form: CloseForm) -> Said | Refused:
    """Close the assignment before it is used up."""
    answer = service.close(
        assignment=assignment, reason=form.cleaned_data["reason"], actor=request.user, now=clock.now()
    )
    if answer.code == "closed":
        return Said(_("Closed. The member can no longer use it."))
    return Refused("closed" if answer.is_closed else answer.code)


@verb("redeem")
def redeem(request: staff.StaffRequest, assignment: Assignment, form: RedeemForm) -> Said | Refused:
    """Mark the assignment as used by hand, once for each form that was opened."""
    now = clock.now()
    use = form.use(now)
    answer = service.redeem(
        assignment=assignment, use=use, reason=form.cleaned_data["reason"], actor=request.user, now=now
    )
    if not answer.is_redeemed:
        return Refused(answer.code)
    text = _("Marked as used. It is used up now.")
    if answer.left:
        text = ngettext(
            "Marked as used. It can be used %(n)d more time.", "Marked as used. It can be used %(n)d more times.",
            answer.left,
        ) % {"n": answer.left}  # fmt: skip
    return Said(text, undo=reverse("support:undo_redemption", args=[assignment.pk, use.external_id]))


@require_POST
@staff.required("loyalty.view_member", "offers.view_assignment", "offers.redeem_assignment")
def undo_redemption(request: staff.StaffRequest, assignment_id: UUID, external_id: str) -> HttpResponse:
    """Give back the use that this person marked a moment ago."""
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    answer = service.undo_redemption(
        assignment=assignment, external_id=external_id, actor=request.user, now=clock.now()
    )
    if answer.code == "returned":
        toasts.say(request, _("Undone. It counts as not used."), level="info")
    else:
        toasts.say(request, str(Refused(answer.code)), level="warning")
    return HttpResponseRedirect(reverse("support:member", args=[assignment.member_id]))


@require_safe
@staff.required("loyalty.view_member", "offers.view_assignment")
def dialog(request: staff.StaffRequest, assignment_id: UUID, name: str) -> HttpResponse:
    """Return a verb's dialog for a menu on her page: the very one that the assignment's page has."""
    if name not in FORMS or not request.user.has_perm(f"offers.{name}_assignment"):
        raise PermissionDenied
    assignment = selectors.get(programme=request.programme, assignment_id=assignment_id)
    context = _dialogs(assignment)
    form = FORMS[name](auto_id=f"{name}_%s", assignment=assignment, user=request.user)
    context |= {"verb": name, "title": context["titles"][name], "form": form, "is_open": True, "back": "member"}
    return render(request, "support/_verb_dialog.html", context)


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


def _dialogs(assignment: Assignment) -> dict[str, Any]:
    """Return what the verbs' dialogs speak about."""
    return {
        "assignment": assignment,
        "member": assignment.member,
        "titles": {verb: str(title) % {"offer": selectors.name(assignment)} for verb, title in TITLES.items()},
        "latest": extension.bound(assignment),
    }


def _problems(form: Form) -> str:
    """Say everything that is wrong with the form, field by field."""
    found = [f"{form.fields[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]
    return " ".join([*found, _("Nothing was changed.")])
