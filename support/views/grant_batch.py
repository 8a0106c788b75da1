"""Making good for many at once: whom, what it would do, doing it, what became of each, taking it back (B-05)."""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyalty import clock, staff, table_export, toasts, whole_number
from loyalty.errors import DomainError
from loyalty.listing import Column, Listing
from offers.models import OfferTemplate
from support.forms.grant import rules_form, why_form
from support.forms.grant_batch import MembersForm
from support.models import GrantBatch
from support.models.grant_batch import LIMIT_LABELS, LINE_LABELS, UNDONE_LABELS
from support.selectors import allowance as allowances
from support.selectors import grant as templates
from support.selectors import grant_batch as selectors
from support.selectors import reason
from support.selectors.allowance import IS_MONEY, Excess
from support.services import grant_batch as service
from support.services import grant_batch_decision as decision
from support.services import grant_batch_export
from support.services.grant_batch_lines import Plan
from support.views.grant import PERMISSIONS

MAKES = (*PERMISSIONS, "support.add_grantbatch")
APPROVES = ("loyalty.view_member", "support.approve_grantrequest")
SETS = (
    Column("asked", gettext_lazy("Made"), sort="asked_at"),
    Column("by", gettext_lazy("By"), sort="asked_by__username"),
    Column("offer", gettext_lazy("Offer")),
    Column("ticket", gettext_lazy("Why"), sort="ticket"),
    Column("given", gettext_lazy("Members"), end=True),
    Column("money", gettext_lazy("Costs at most"), sort="exposure_minor", end=True),
    Column("state", gettext_lazy("State"), sort="state"),
)
LINES = (
    Column("line", gettext_lazy("Line"), sort="line", end=True),
    Column("named", gettext_lazy("Named")),
    Column("member", gettext_lazy("Member"), sort="member__external_id"),
    Column("outcome", gettext_lazy("What became of it"), sort="outcome"),
    Column("undone", gettext_lazy("When undone")),
)
# Of the lines that are given nothing, so many are shown before; all of them after.
SHOWN = 100


@require_http_methods(["GET", "HEAD", "POST"])
@staff.required(*MAKES)
def make(request: staff.StaffRequest) -> HttpResponse:
    """Offer what can be given and show earlier sets; or the form, what it would do, and do it."""
    template = _chosen(request)
    if template is None:
        return _choose(request)
    if request.method != "POST":
        forms = {
            "who": MembersForm(),
            "rules": rules_form(template),
            "why": why_form(request.programme, reference=uuid.uuid4()),
        }
        return _shown(request, template, forms)
    forms = {
        "who": MembersForm(request.POST, request.FILES),
        "rules": rules_form(template, request.POST),
        "why": why_form(request.programme, request.POST),
    }
    # Each of them, so that all problems are shown at once.
    valid = [form.is_valid() for form in forms.values()]
    if not all(valid):
        return _shown(request, template, forms, status=422)
    return _looked_at(request, template, forms)


def _looked_at(request: staff.StaffRequest, template: OfferTemplate, forms: dict[str, Any]) -> HttpResponse:
    """Do what was looked at; show what would be done where it was not, or is not the same any more."""
    who, now = forms["who"], clock.now()
    plan = Plan(
        request.programme,
        template,
        forms["rules"].terms,
        who.cleaned_data["named"],
        forms["why"].why(),
        who.cleaned_data["is_again"],
    )
    mark = _mark(plan)
    try:
        if request.POST.get("act") == "grant" and who.cleaned_data["seen"] == mark:
            reference = forms["why"].cleaned_data["reference"]
            made = service.make(plan=plan, reference=reference, actor=request.user, now=now)
            toasts.say(request, _said(made))
            return HttpResponseRedirect(reverse("support:grant_batch", args=[made.pk]))
        seen = service.preview(plan=plan, actor=request.user, now=now)
    except DomainError as error:
        return _shown(request, template, forms, status=error.status, refusal=error.message)
    who.show_as_seen(mark)
    is_other = bool(who.cleaned_data["seen"]) and who.cleaned_data["seen"] != mark
    return _shown(request, template, forms, preview=seen, is_other=is_other)


@require_safe
@staff.required("loyalty.view_member")
def detail(request: staff.StaffRequest, batch_id: UUID) -> HttpResponse:
    """Show a set: what became of each one named, and what can still be done with it."""
    batch = selectors.get(programme=request.programme, user=request.user, batch_id=batch_id)
    now, outcome = clock.now(), request.GET.get("outcome", "")
    listing = Listing(request, selectors.lines(found=batch, outcome=outcome), columns=LINES, default_sort="line")
    is_own = batch.asked_by_id == request.user.pk
    context = {
        "batch": batch,
        "listing": listing,
        "counts": _counts(batch),
        "chosen": outcome,
        "labels": LINE_LABELS,
        "undone_labels": UNDONE_LABELS,
        "reasons": reason.labels(programme=request.programme),
        "excesses": _excesses(allowances.read(batch.excesses)),
        "can_undo": batch.state == GrantBatch.State.GRANTED
        and request.user.pk in (batch.asked_by_id, batch.decided_by_id)
        and service.is_undoable(batch, now),
        "undo_minutes": service.UNDO_MINUTES,
        "is_waiting": batch.state == GrantBatch.State.WAITING,
        "is_own": is_own,
        "can_decide": not is_own and request.user.has_perms(APPROVES),
    }
    return render(request, "support/grant_batch.html", context)


@require_safe
@staff.required("loyalty.view_member")
def export(request: staff.StaffRequest, batch_id: UUID, file_format: table_export.Format) -> HttpResponseBase:
    """Stream what became of each one named; the export is audited."""
    batch = selectors.get(programme=request.programme, user=request.user, batch_id=batch_id)
    found = selectors.lines(found=batch, outcome=request.GET.get("outcome", ""))
    return grant_batch_export.export(batch=batch, found=found, file_format=file_format, actor=request.user)


@require_POST
@staff.required("loyalty.view_member", "offers.grant_assignment")
def undo(request: staff.StaffRequest, batch_id: UUID) -> HttpResponse:
    """Take the whole set back, all that nobody used."""
    return _act(request, batch_id, service.undo, _("Undone. Each line says what became of it."))


@require_POST
@staff.required("loyalty.view_member", "offers.grant_assignment")
def withdraw(request: staff.StaffRequest, batch_id: UUID) -> HttpResponse:
    """Take back one's own set while it waits."""
    return _act(request, batch_id, decision.withdraw, _("Withdrawn. Nothing was granted."))


@require_POST
@staff.required(*APPROVES)
def approve(request: staff.StaffRequest, batch_id: UUID) -> HttpResponse:
    """Grant a set that waits."""
    return _act(request, batch_id, decision.approve, _("Approved and granted."))


@require_POST
@staff.required(*APPROVES)
def decline(request: staff.StaffRequest, batch_id: UUID) -> HttpResponse:
    """Refuse a set that waits, with a sentence."""
    answer = request.POST.get("answer", "")
    return _act(request, batch_id, decision.decline, _("Declined. Nothing was granted."), answer=answer)


def _act(
    request: staff.StaffRequest, batch_id: UUID, verb: Callable[..., GrantBatch], said: str, **more: str
) -> HttpResponse:
    try:
        verb(programme=request.programme, batch_id=batch_id, actor=request.user, now=clock.now(), **more)
    except DomainError as error:
        if error.status == 404:
            raise
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, said)
    return HttpResponseRedirect(reverse("support:grant_batch", args=[batch_id]))


def _chosen(request: staff.StaffRequest) -> OfferTemplate | None:
    key = whole_number.read(request.POST.get("template") or request.GET.get("template"))
    return None if key is None else templates.get(programme=request.programme, user=request.user, template_id=key)


def _choose(request: staff.StaffRequest) -> HttpResponse:
    text = request.GET.get("text", "")[:100]
    sets = selectors.seen_by(programme=request.programme, user=request.user)
    context = {
        "templates": templates.choices(programme=request.programme, user=request.user, text=text),
        "text": text,
        "listing": Listing(request, sets, columns=SETS, default_sort="-asked"),
        "reasons": reason.labels(programme=request.programme),
    }
    return render(request, "support/make_good.html", context)


def _shown(
    request: staff.StaffRequest, template: OfferTemplate, forms: dict[str, Any], *, status: int = 200, **more: Any
) -> HttpResponse:
    seen = more.get("preview")
    context = {
        "template": template,
        "name": templates.revision(template=template).name,
        "labels": LINE_LABELS,
        "problems": seen.problems[:SHOWN] if seen else [],
        "others": max(len(seen.problems) - SHOWN, 0) if seen else 0,
        "counts": [(code, LINE_LABELS.get(code, code), n) for code, n in sorted(seen.counts.items())] if seen else [],
        "excesses": _excesses(seen.excesses) if seen else [],
        **forms,
        **more,
    }
    return render(request, "support/make_good_form.html", context, status=status)


def _mark(plan: Plan) -> str:
    """Return what tells this set from another one: whom, what and for which ticket."""
    what = [plan.template.pk, dict(plan.terms), list(plan.named), plan.why.ticket, plan.is_again]
    return hashlib.sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _said(made: GrantBatch) -> str:
    if made.state == GrantBatch.State.WAITING:
        return _("The set goes beyond a limit and waits for a second person. Nothing was granted yet.")
    return _("Granted to %(n)d members.") % {"n": made.counts.get("assigned", 0)}


def _counts(batch: GrantBatch) -> list[tuple[str, Any, int]]:
    """Return code, words and number of each outcome; before approval nobody is assigned anything."""
    named = LINE_LABELS if batch.granted_at else LINE_LABELS | {"assigned": _("asked for")}
    return [
        (code if batch.granted_at or code != "assigned" else "", named.get(code, code), n)
        for code, n in sorted(batch.counts.items())
    ]


def _excesses(found: list[Excess]) -> list[dict[str, Any]]:
    return [
        {
            "label": LIMIT_LABELS.get(each.limit, each.limit),
            "allowed": each.allowed,
            "reached": each.reached,
            "is_money": IS_MONEY.get(each.limit, False),
        }
        for each in found
    ]
