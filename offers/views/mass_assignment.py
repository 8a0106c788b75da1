"""Mass assignments on their way and done: the list, one run's page, what can be done with it (SCREENS, "A run")."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, csv_export, toasts, whole_number
from loyalty.errors import DomainError
from loyalty.listing import Column, Listing
from loyalty.models import User
from loyalty.staff import StaffRequest
from offers import rules
from offers.filters.mass_assignment import RunFilter
from offers.models import MassAssignment
from offers.selectors import audience as audiences
from offers.selectors import mass_assignment as selectors
from offers.selectors import mass_assignment_family as family
from offers.selectors import mass_assignment_undo as undo_selectors
from offers.selectors import member_value as member_values
from offers.selectors import run_notification as notifications
from offers.selectors import voucher as vouchers
from offers.services import mass_assignment as service
from offers.services import run_targeting, shortfall
from offers.services.mass_assignment_undo import UNDOABLE
from offers.tasks import mass_assignment as tasks
from offers.views.access import staff
from offers.views.mass_assignment_launch import plan_of

State = MassAssignment.State
COLUMNS = (
    Column("name", gettext_lazy("Run"), sort="name"),
    Column("state", gettext_lazy("State"), sort="state"),
    Column("progress", gettext_lazy("Progress")),
    Column("assigned", gettext_lazy("Assigned"), end=True),
    Column("campaign", gettext_lazy("Campaign"), sort="campaign__name"),
    Column("launched", gettext_lazy("Launched"), sort="launched_at", end=True),
)
EXPORT_PART = 1000
# What can be done with a run, in which states.
VERBS = {
    "launch": ({State.DRAFT, State.FAILED}, service.launch, gettext_lazy("Launched. The audience is being planned.")),
    "pause": ({State.RUNNING}, service.pause, gettext_lazy("Paused. What was assigned stays.")),
    "resume": ({State.PAUSED}, service.resume, gettext_lazy("It goes on.")),
    "retry": (
        {State.FINISHED_WITH_ERRORS},
        service.retry,
        gettext_lazy("It goes on: the chunks that were given up are done again."),
    ),
    "cancel": (
        {State.DRAFT, State.AWAITING_APPROVAL, State.SCHEDULED, State.PLANNED, State.RUNNING, State.PAUSED},
        service.cancel,
        gettext_lazy("Cancelled. What was assigned stays; codes that nobody got went back."),
    ),
}
TO_APPROVE = gettext_lazy("It is too large for one person to launch: it waits until somebody else approves it.")
# These come back to the workers; of a large run that is cancelled they give the codes back.
RUNG = {"launch", "resume", "retry", "cancel"}


@require_safe
@staff("offers.view_massassignment")
def runs(request: StaffRequest) -> HttpResponse:
    """List the programme's runs, filtered and sorted by what stands in the address."""
    found = RunFilter(request.GET, queryset=selectors.runs(programme=request.programme), request=request)
    listing = Listing(request, found.qs, columns=COLUMNS, filters=found.form)
    listing.page.object_list = _counted(listing.page.object_list)
    return render(request, "offers/runs.html", {"listing": listing})


@require_safe
@staff("offers.view_massassignment")
def row(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return the moving cells of one run's line in the list."""
    [run] = _counted([selectors.find(programme=request.programme, run_id=run_id)])
    return render(request, "offers/_runs_row.html", {"object": run})


def _counted(runs: Iterable[Any]) -> list[Any]:
    """Return the runs, each with what it has done as `counted`; one query."""
    shown = list(runs)
    done = selectors.done_by_run(run_ids=[run.pk for run in shown])
    for run in shown:
        run.counted = done.get(run.pk, {"done": 0, "assigned": 0})
    return shown


@require_safe
@staff("offers.view_massassignment")
def export(request: StaffRequest) -> StreamingHttpResponse:
    """Stream the runs that the list's filters keep as CSV."""
    found = RunFilter(request.GET, queryset=selectors.runs(programme=request.programme), request=request).qs
    head = ["id", "name", "state", "offer", "template", "audience", "version", "campaign", "matched", "eligible"]
    head += ["assigned", "launched_at", "finished_at"]
    return csv_export.stream(name="runs.csv", head=head, lines=_run_lines(found))


@require_safe
@staff("offers.view_massassignment")
def run(request: StaffRequest, run_id: int) -> HttpResponse:
    """Show one run: how far it is, what became of whom, what happened."""
    found = selectors.find(programme=request.programme, run_id=run_id)
    return render(request, "offers/run.html", _context(found, request.user))


@require_safe
@staff("offers.view_massassignment")
def live(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return the part of the page that moves; where the state has changed since, the page as a whole."""
    found = selectors.find(programme=request.programme, run_id=run_id)
    context = _context(found, request.user)
    has_moved = request.GET.get("state", "") not in {"", found.state}
    answer = render(request, "offers/_run_page.html" if has_moved else "offers/_run_live.html", context)
    if has_moved:
        answer.headers["HX-Retarget"] = "#run"
        answer.headers["HX-Reswap"] = "outerHTML settle:0ms"
    if words := _announced(request, found, context["progress"], has_moved=has_moved):
        answer.headers["HX-Trigger"] = json.dumps({"laurel:announce": {"text": words}})
    return answer


def _announced(request: StaffRequest, run: MassAssignment, progress: selectors.Progress, *, has_moved: bool) -> str:
    """Return what a screen reader says: each change of state, and every tenth; not every second."""
    if run.state == State.FINISHED and has_moved:
        return _("Mass assignment is now finished!")
    if has_moved:
        return _("The run is %(state)s.") % {"state": run.get_state_display()}
    before = whole_number.read(request.GET.get("percent"), most=100) or 0
    if run.state == State.RUNNING and before // 10 != progress.percent // 10:
        return _("%(percent)d %% done") % {"percent": progress.percent}
    return ""


@require_POST
@staff("offers.view_massassignment", "offers.launch_massassignment")
def act(request: StaffRequest, run_id: int, verb: str) -> HttpResponse:
    """Launch, pause, resume, retry or cancel a run; a second click finds it done and changes nothing."""
    found = selectors.find(programme=request.programme, run_id=run_id)
    _states, do, words = VERBS[verb]
    options: dict[str, Any] = {}
    try:
        if verb == "launch" and (plan := plan_of(request, request.POST.get("on_shortfall", ""))):
            options["plan"] = plan
        moved = do(run=found, actor=request.user, now=clock.now(), **options)
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        if verb == "launch" and moved.state == State.AWAITING_APPROVAL:
            words = TO_APPROVE
        if verb in RUNG:
            transaction.on_commit(lambda: tasks.ring(found.pk))
        toasts.say(request, str(words))
    return HttpResponseRedirect(reverse("offers:run", args=[found.pk]))


def _context(run: MassAssignment, user: User) -> dict[str, Any]:
    now = clock.now()
    progress = selectors.progress(run=run, now=now)
    context: dict[str, Any] = {
        "run": run,
        "now": now,
        "progress": progress,
        "verbs": {verb for verb, (states, _do, _words) in VERBS.items() if run.state in states},
        "refused": [
            (code, audiences.COUNTED.get(code, code), count) for code, count in sorted(progress.refused.items())
        ],
        "waiting": progress.total - progress.done,
        "timeline": selectors.timeline(run=run),
        "troubled": selectors.troubled_chunks(run=run) if progress.failed_chunks or progress.retried_chunks else [],
        "lines": _lines(run),
        "own_lines": member_values.lines(programme=run.programme, given=run.member_values),
    }
    if run.config_offer.require_vouchers:
        context["codes_left"] = vouchers.codes_left(bank=run.config_offer.voucher_bank, now=now)
    if run.state in {State.UNDOING, State.UNDONE}:
        context["undo"] = undo_selectors.report(run=run)
    # Asked for by the whole page, and not by the part of it that moves each second.
    context["relatives"] = SimpleLazyObject(lambda: family.relatives(run=run))
    context["mails"] = SimpleLazyObject(lambda: notifications.of_run(run=run))
    context["is_following"] = SimpleLazyObject(lambda: notifications.follows(run=run, user=user))
    version = run.targeting_version
    # Runs that are over keep silent: whom they reached is history, and its version stands in the head.
    context["is_audience_behind"] = (
        version is not None
        and not run.is_over
        and (version.pk != version.targeting.current_version_id or version.targeting.archived_at is not None)
    )
    context["may_take_audience"] = (
        run.state in run_targeting.MOVABLE and version is not None and version.targeting.archived_at is None
    )
    context["is_undoable"] = run.state in UNDOABLE and progress.assigned > 0
    context["approvals"] = selectors.approvals(run=run) if run.state == MassAssignment.State.AWAITING_APPROVAL else []
    if run.waiting:
        context["waits_for"] = shortfall.of_failure(run.waiting, currency=run.programme.currency)
    if run.failure:
        context["failure"] = _failure(run, context.get("codes_left"))
    return context


def _lines(run: MassAssignment) -> list[rules.Line]:
    """Say what everybody gets; the rules that differ per member stand beside these."""
    base = run.config_offer.current_revision.terms if run.config_offer.current_revision else {}
    same = {kind: value for kind, value in base.items() if kind not in run.member_values}
    effective = rules.effective(same, run.terms)
    return rules.explain(effective, currency=run.programme.currency, zone=run.programme.zone)


def _failure(run: MassAssignment, codes_left: int | None) -> dict[str, Any]:
    """Say why a run failed, and what to do: by code, so that it follows the reader's language (S4-28)."""
    failure = run.failure or {}
    code = failure.get("code", "")
    if code == "out_of_codes":
        needed, short = failure.get("needed", 0), failure.get("short", 0)
        is_mended = codes_left is not None and codes_left >= needed
        return {
            "code": code,
            "needed": needed,
            "left": needed - short,
            "short": short,
            "missing": max(0, needed - (codes_left or 0)),
            "is_mended": is_mended,
        }
    if code == "planning_failed":
        return {"code": code, "attempts": failure.get("attempts", 0)}
    if short := shortfall.of_failure(failure, currency=run.programme.currency):
        return {"code": code, "limits": short}
    return {"code": code, "message": failure.get("message", ""), "problems": failure.get("problems", [])}


def _run_lines(found: Any) -> Iterator[list[Any]]:
    runs = found.iterator(chunk_size=EXPORT_PART)
    while part := list(islice(runs, EXPORT_PART)):
        done = selectors.done_by_run(run_ids=[run.pk for run in part])
        for run in part:
            version = run.targeting_version
            yield [
                run.pk,
                run.name,
                run.state,
                run.config_offer.offer_reference,
                run.template.name,
                version.targeting.name if version else "",
                version.number if version else "",
                run.campaign.external_id if run.campaign and not run.campaign.is_of_run else "",
                run.matched,
                run.eligible,
                done.get(run.pk, {}).get("assigned", 0),
                run.launched_at.isoformat() if run.launched_at else "",
                run.finished_at.isoformat() if run.finished_at else "",
            ]
