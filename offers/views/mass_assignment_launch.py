"""Launching a mass assignment: one page whose steps fold as they are done (SCREENS, S4-24..28).

The address holds the draft. Each step's form is a GET of this page with the other steps' values hidden in it; htmx
exchanges only the flow. The launch is the one POST.
"""

from dataclasses import replace
from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from loyalty import clock, toasts, whole_number
from loyalty.errors import DomainError, InvalidInput
from loyalty.models import Programme
from loyalty.staff import StaffRequest
from offers import rules
from offers import targeting as criteria_trees
from offers.forms.mass_assignment import Draft
from offers.models import MassAssignment, TargetingVersion
from offers.models.outcome import REASON_LABELS
from offers.selectors import audience as audiences_of_runs
from offers.selectors import limit as limits
from offers.selectors import mass_assignment as selectors
from offers.selectors import member_value as member_values
from offers.selectors import targeting as targetings
from offers.selectors import voucher as vouchers
from offers.services import audience, mass_assignment, run_dry_run, run_period, run_schedule
from offers.services.mass_assignment import LONGEST_WAIT_DAYS, LaunchPlan
from offers.tasks import mass_assignment as tasks
from offers.views.access import staff

PERMISSIONS = ("offers.view_massassignment", "offers.add_massassignment")
SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@staff(*PERMISSIONS)
def create(request: StaffRequest) -> HttpResponse:
    """Show the flow as far as it is filled in; take the launch. `?offer=` and `?targeting=` begin with a choice."""
    if request.method == "POST":
        return _launch(request)
    draft = Draft(_begun(request), programme=request.programme)
    if not request.GET.get("reference") and not request.htmx:
        # From here on the address is the draft: the form that is sent twice carries one reference.
        return HttpResponseRedirect(draft.address(**({"step": draft.step} if "step" in request.GET else {})))
    return _shown(request, draft)


@require_safe
@staff(*PERMISSIONS)
def offers(request: StaffRequest) -> HttpResponse:
    """Return the offers and templates whose names hold what was typed."""
    draft = Draft(request.GET, programme=request.programme)
    return render(request, "offers/_run_offers.html", {"draft": draft, **_offers(request)})


@require_safe
@staff(*PERMISSIONS)
def audiences(request: StaffRequest) -> HttpResponse:
    """Return the saved targetings whose names hold what was typed."""
    draft = Draft(request.GET, programme=request.programme)
    return render(request, "offers/_run_audiences.html", {"draft": draft, **_audiences(request)})


@require_safe
@staff(*PERMISSIONS)
def count(request: StaffRequest) -> HttpResponse:
    """Return about how many members the audience has, at once; `?exact=1` counts them (S4-26)."""
    draft = Draft(request.GET, programme=request.programme)
    if draft.version is None:
        return HttpResponse(status=204)
    programme, criteria, now = request.programme, draft.version.criteria, clock.now()
    if request.GET.get("exact"):
        found = targetings.Estimate(targetings.count(criteria, programme=programme, now=now), is_exact=True)
    else:
        found = targetings.estimate(criteria, programme=programme, now=now)
    return render(request, "offers/_run_count.html", {"draft": draft, "found": found})


@require_safe
@staff(*PERMISSIONS)
def sample(request: StaffRequest) -> HttpResponse:
    """Return some members of the audience, so that the target is looked at before a launch (S4-25)."""
    draft = Draft(request.GET, programme=request.programme)
    if draft.version is None:
        return HttpResponse(status=204)
    members = targetings.sample(draft.version.criteria, programme=request.programme, now=clock.now(), size=8)
    return render(request, "offers/_run_sample.html", {"members": members})


@require_safe
@staff(*PERMISSIONS)
def dry_run(request: StaffRequest) -> HttpResponse:
    """Return what a launch would do now, in numbers, with the button that does it."""
    draft = Draft(request.GET, programme=request.programme)
    if not draft.is_complete:
        return HttpResponse(status=204)
    return render(request, "offers/_run_dry_run.html", _dry_run(request, draft))


@require_safe
@staff("offers.view_massassignment")
def preview(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return what launching a draft would do now."""
    run = selectors.find(programme=request.programme, run_id=run_id)
    return render(request, "offers/_run_preview.html", seen(request, run))


def seen(request: StaffRequest, run: MassAssignment) -> dict[str, Any]:
    """Return what a run that is already made would do now, in numbers, or why it could not be launched."""
    try:
        found = run_dry_run.of(run=run, now=clock.now())
    except DomainError as error:
        return {"refusal": error}
    context: dict[str, Any] = {
        "found": found,
        "excluded": _excluded(found),
        "may_launch": request.user.has_perm("offers.launch_massassignment"),
        "currency": run.programme.currency,
        "is_later": bool(run.launch_at and run.launch_at > clock.now()),
        "run": run,
        "needs_approval": run_dry_run.run_needs_approval(run=run, found=found),
    }
    context |= _room(request, run.config_offer_id, run.campaign_id)
    return context | _ways(context)


def _begun(request: StaffRequest) -> QueryDict:
    """Return the address' values; an offer with one template only means that template (D-11)."""
    data = request.GET.copy()
    offer_id = whole_number.read(data.get("offer"))
    if offer_id is not None and not data.get("template"):
        found = list(selectors.templates_to_run(programme=request.programme, offer_id=offer_id)[:2])
        if len(found) == 1:
            data["template"] = str(found[0].pk)
    return data


def _shown(request: StaffRequest, draft: Draft, status: int = 200, **more: Any) -> HttpResponse:
    context: dict[str, Any] = {"draft": draft, **more}
    if draft.step == "offer":
        context |= _offers(request)
    if draft.step == "audience":
        context |= _audiences(request)
    if draft.done["terms"] and draft.step != "terms":
        context["lines"] = _lines(draft)
        context["own_lines"] = member_values.lines(programme=draft.programme, given=draft.member_values)
    if draft.version is not None:
        context["sentence"] = _sentence(request.programme, draft.version)
    page = "offers/_run_flow.html" if request.htmx and request.htmx.target == "flow" else "offers/run_create.html"
    answer = render(request, page, context, status=status)
    # The same address is a whole page and a part of one: a cache must not mix them up.
    answer.headers["Vary"] = "HX-Request, Cookie"
    return answer


def _offers(request: StaffRequest) -> dict[str, Any]:
    text = request.GET.get("text", "")[:100]
    only = whole_number.read(request.GET.get("offer"))
    found = list(selectors.templates_to_run(programme=request.programme, text=text, offer_id=only)[: SHOWN + 1])
    left = vouchers.codes_left_by_offer(
        offer_ids=[each.config_offer_id for each in found if each.config_offer.require_vouchers], now=clock.now()
    )
    choices = [
        {"template": each, "left": left.get(each.config_offer_id, 0) if each.config_offer.require_vouchers else None}
        for each in found[:SHOWN]
    ]
    return {"choices": choices, "text": text, "has_more": len(found) > SHOWN}


def _audiences(request: StaffRequest) -> dict[str, Any]:
    text = request.GET.get("text", "")[:100]
    found = targetings.listed(programme=request.programme, text=text).filter(current_version__isnull=False)
    shown = list(found[: SHOWN + 1])
    return {"targetings": shown[:SHOWN], "text": text, "has_more": len(shown) > SHOWN}


def _lines(draft: Draft) -> list[rules.Line]:
    effective = rules.effective(draft.base, draft.terms)
    effective = {kind: value for kind, value in effective.items() if kind not in draft.member_values}
    return rules.explain(effective, currency=draft.programme.currency, zone=draft.programme.zone)


def _sentence(programme: Programme, version: TargetingVersion) -> str:
    """Return the criteria in words; what they name may have gone since they were saved."""
    try:
        return str(criteria_trees.sentence(targetings.read(version.criteria, programme=programme)))
    except criteria_trees.InvalidCriteria as error:
        return error.message


def _dry_run(request: StaffRequest, draft: Draft) -> dict[str, Any]:
    template, version = draft.chosen
    context: dict[str, Any] = {
        "draft": draft,
        "may_launch": request.user.has_perm("offers.launch_massassignment"),
        "is_later": bool(draft.options.launch_at or draft.options.recurring),
    }
    now = clock.now()
    try:
        found = audience.dry_run(
            programme=request.programme,
            template=template,
            criteria=version.criteria,
            terms=draft.terms,
            member_values=draft.member_values,
            campaign=draft.options.cleaned_data["campaign"],
            now=now,
            held_out=draft.held_out,
        )
    except DomainError as error:
        return context | {"refusal": error}
    odd = run_period.warnings(
        template=template,
        terms=draft.terms,
        member_values=draft.member_values,
        begins_at=draft.options.begins_at(now),
        spreads=found.spreads,
        last_at=draft.options.last_at,
    )
    context["found"] = replace(found, warnings=odd)
    context["needs_approval"] = run_dry_run.needs_approval(
        programme=request.programme, found=found, differs=bool(draft.member_values)
    )
    campaign = draft.options.cleaned_data["campaign"]
    context |= _room(request, template.config_offer_id, campaign.pk if campaign else None)
    context["excluded"] = _excluded(context["found"])
    return context | _ways(context)


def _excluded(found: audience.DryRun) -> list[dict[str, Any]]:
    """Say who is left out and why; those who are not eligible by each reason."""
    shown = []
    for code, count in sorted(found.excluded.items()):
        if code == "ineligible" and found.reasons:
            shown += [
                {"code": reason, "label": REASON_LABELS[reason], "count": n}
                for reason, n in sorted(found.reasons.items())
                if reason in REASON_LABELS
            ]
        else:
            shown.append({"code": code, "label": audiences_of_runs.COUNTED.get(code, code), "count": count})
    return shown


def _room(request: StaffRequest, offer_id: int, campaign_id: int | None) -> dict[str, Any]:
    """Return what limits leave, beside what the run needs, for who may see it."""
    if not request.user.has_perm("offers.view_limit"):
        return {}
    return {
        "room": limits.usages(programme=request.programme, offer_id=offer_id, campaign_id=campaign_id, now=clock.now())
    }


def _ways(context: dict[str, Any]) -> dict[str, Any]:
    """Return why the button cannot be pressed, and whether cutting and waiting stand beside it (B-01).

    A run that is for later may come to lack what is there now, so it is asked then whatever the numbers of now are.
    """
    found: audience.DryRun = context["found"]
    may_run_short = found.codes_left is not None or bool(context.get("room"))
    is_short = bool(found.codes_short or found.limits)
    return {"why_not": _why_not(context), "shows_ways": is_short or (context["is_later"] and may_run_short)}


def _why_not(context: dict[str, Any]) -> str:
    """Say why the button cannot be pressed, or nothing."""
    found: audience.DryRun = context["found"]
    if not context["may_launch"]:
        return _("You may prepare runs; someone who may launch them does that.")
    if context["is_later"]:
        # Members and codes may come until then.
        return ""
    if not found.eligible:
        return _("There is nobody to assign.")
    if found.codes_short:
        return ngettext("%(n)d code is short.", "%(n)d codes are short.", found.codes_short) % {"n": found.codes_short}
    if found.limits:
        return ngettext("A limit leaves too little.", "Limits leave too little.", len(found.limits))
    return ""


def plan_of(request: StaffRequest, chosen: str) -> LaunchPlan | None:
    """Return what the form says of too little: `cut` it, or `wait` so many days; None where it says nothing (B-01).

    Raises InvalidInput for days that are no days.
    """
    if chosen == "wait":
        days = whole_number.read(request.POST.get("wait_days", "7"), most=LONGEST_WAIT_DAYS)
        if not days:
            message = _("Wait from 1 to %(most)d days. Give a whole number.") % {"most": LONGEST_WAIT_DAYS}
            raise InvalidInput(message, code="invalid_wait_days")
        return LaunchPlan("wait", wait_days=days)
    return LaunchPlan("cut") if chosen == "cut" else None


def _launch(request: StaffRequest) -> HttpResponse:
    draft = Draft(request.POST, programme=request.programme)
    is_launched = request.POST.get("do") != "keep"
    if is_launched and not request.user.has_perm("offers.launch_massassignment"):
        return _shown(request, draft, 403, refusal=_("You may prepare runs, not launch them. Keep it as a draft."))
    if not draft.is_complete:
        return _shown(request, draft, 422, refusal=_("Something is still missing. Fill in the open step."))
    if not is_launched and draft.options.recurring:
        refusal = _("Runs that come again are not kept as a draft. Schedule them, or choose “Now” or “Once, later”.")
        return _shown(request, draft, 422, refusal=refusal)
    template, version = draft.chosen
    if request.POST.get("version") != str(version.pk):
        changed = _("The audience “%(name)s” was changed since these numbers were shown. Look at them again.")
        return _shown(request, draft, 409, refusal=changed % {"name": version.targeting.name})
    options = draft.options.cleaned_data
    try:
        plan = plan_of(request, request.POST.get("do", "")) or mass_assignment.AT_ONCE_OR_NOBODY
        if is_launched and draft.options.recurring:
            return _scheduled(request, draft, plan)
        started = mass_assignment.start(
            programme=request.programme,
            reference=draft.reference,
            template=template,
            targeting_version=version,
            name=options["name"],
            campaign=options["campaign"],
            terms=draft.terms,
            member_values=draft.member_values,
            rank=options["rank"],
            hold_out_percent=options["hold_out"] or mass_assignment.NOBODY,
            is_launched=is_launched,
            plan=replace(plan, launch_at=draft.options.launch_at),
            actor=request.user,
            now=clock.now(),
        )
    except DomainError as error:
        return _shown(request, draft, error.status, refusal=error.message, problems=error.problems)
    if is_launched and not started.is_replayed:
        transaction.on_commit(lambda: tasks.ring(started.run.pk))
    if started.is_replayed:
        toasts.say(request, _("This form was sent already. It started one run, this one."), level="info")
    elif started.run.state == MassAssignment.State.AWAITING_APPROVAL:
        message = _("It is too large for one person to launch: it waits until somebody else approves it.")
        toasts.say(request, message, level="info")
    elif not is_launched:
        toasts.say(request, _("Kept as a draft. Launch it here when it is time."))
    elif started.run.launch_at:
        toasts.say(request, _("Scheduled. The audience is worked out when it begins."))
    page = reverse("offers:run", args=[started.run.pk])
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page)


def _scheduled(request: StaffRequest, draft: Draft, plan: LaunchPlan) -> HttpResponse:
    template, version = draft.chosen
    options, when = draft.options.cleaned_data, draft.options.recurring
    if when is None:
        raise ValueError("A run that comes again says when.")
    run_schedule.create(
        programme=request.programme,
        reference=draft.reference,
        template=template,
        targeting_version=version,
        name=options["name"],
        campaign=options["campaign"],
        terms=draft.terms,
        member_values=draft.member_values,
        rank=options["rank"],
        hold_out_percent=options["hold_out"] or mass_assignment.NOBODY,
        plan=plan,
        when=when,
        actor=request.user,
        now=clock.now(),
    )
    toasts.say(request, _("Scheduled. Each occurrence is a run of its own."))
    page = reverse("offers:run_schedules")
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page)
