"""Mass assignments as they are shown; what they have done is counted from committed rows only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.database import rows
from loyalty.errors import NotFound
from loyalty.models import AuditEvent, Programme
from offers.models import Audience, ConfigOffer, MassAssignment, MassAssignmentChunk, OfferTemplate, RunApproval
from offers.selectors import template as templates

# So long a look back says how quick a run is now.
LATELY = timedelta(minutes=1)


@dataclass(frozen=True)
class Progress:
    """How far a run is. `per_minute` and `seconds_left` are None while there is too little to tell.

    The rate of a run at work is that of the last minute, so that a stall, a pause or another run beside it shows;
    that of one that is over is its own from its plan to its last chunk. `workers` are at it now.
    """

    total: int
    done: int
    assigned: int
    refused: dict[str, int]
    failed_chunks: int
    retried_chunks: int
    per_minute: int | None
    seconds_left: int | None
    workers: int = 0

    @property
    def percent(self) -> int:
        """Whole percents, rounded down: 100 only when all is done."""
        return 100 if self.total == self.done else self.done * 100 // self.total


def progress(*, run: MassAssignment, now: datetime) -> Progress:
    """Return the progress of a planned run, in two queries whatever its size."""
    counted = rows(
        """
        SELECT coalesce(sum(size) FILTER (WHERE done_at IS NOT NULL), 0)::bigint AS done,
               coalesce(sum(assigned), 0)::bigint AS assigned,
               count(*) FILTER (WHERE failed_at IS NOT NULL) AS failed,
               count(*) FILTER (WHERE attempts > 1) AS retried,
               coalesce(sum(size) FILTER (WHERE done_at > %(since)s), 0)::bigint AS lately,
               count(*) FILTER (WHERE done_at IS NULL AND failed_at IS NULL AND leased_until > %(now)s) AS workers,
               max(done_at) AS last_done_at
          FROM offers_massassignmentchunk WHERE run_id = %(run)s
        """,
        {"run": run.pk, "now": now, "since": now - LATELY},
    )[0]
    refused = dict(run.excluded or {})
    for row in rows(
        """
        SELECT key, sum(value::bigint)::bigint AS n
          FROM offers_massassignmentchunk, jsonb_each_text(refused)
         WHERE run_id = %s GROUP BY key
        """,
        [run.pk],
    ):
        refused[row["key"]] = refused.get(row["key"], 0) + row["n"]
    total, done = run.eligible or 0, counted["done"]
    per_minute = seconds_left = None
    if run.state == MassAssignment.State.RUNNING and run.planned_at and counted["lately"]:
        seconds = max((now - max(run.planned_at, now - LATELY)).total_seconds(), 0.001)
        per_minute = int(counted["lately"] / seconds * 60)
        seconds_left = int((total - done) * seconds / counted["lately"])
    elif run.planned_at and done and (run.is_over or run.state == MassAssignment.State.UNDOING):
        seconds = max((counted["last_done_at"] - run.planned_at).total_seconds(), 0.001)
        per_minute = int(done / seconds * 60)
    return Progress(
        total=total,
        done=done,
        assigned=counted["assigned"],
        refused=refused,
        failed_chunks=counted["failed"],
        retried_chunks=counted["retried"],
        per_minute=per_minute,
        seconds_left=seconds_left,
        workers=counted["workers"],
    )


class RunNotFound(NotFound):
    """The programme has no such mass assignment."""

    code = "unknown_mass_assignment"


@dataclass(frozen=True)
class Entry:
    """One line of a run's history."""

    at: datetime
    words: str | Promise
    actor: str = ""
    note: str = ""


def runs(*, programme: Programme) -> QuerySet[MassAssignment]:
    """Return the programme's mass assignments, the newest first, with all that a list shows."""
    return (
        MassAssignment.objects.filter(programme=programme)
        .select_related(
            "config_offer", "template", "targeting_version__targeting__current_version", "campaign", "launched_by"
        )
        .order_by("-id")
    )


def find(*, programme: Programme, run_id: int) -> MassAssignment:
    """Return the programme's mass assignment. Raises RunNotFound, also for another programme's."""
    run = (
        runs(programme=programme)
        .select_related("programme", "created_by", "config_offer__voucher_bank", "config_offer__current_revision")
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        raise RunNotFound(_("There is no such mass assignment here."), id=run_id)
    return run


def done_by_run(*, run_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Return what many runs have done, from committed chunks, in one query: {run: {"done": …, "assigned": …}}."""
    found = (
        MassAssignmentChunk.objects.filter(run__in=list(run_ids), done_at__isnull=False)
        .values("run_id")
        .annotate(done=Sum("size"), given=Sum("assigned"))
    )
    return {row["run_id"]: {"done": row["done"], "assigned": row["given"]} for row in found}


def troubled_chunks(*, run: MassAssignment, most: int = 20) -> list[MassAssignmentChunk]:
    """Return the chunks that were given up, then those that were tried again, each with its last cause."""
    return list(
        MassAssignmentChunk.objects.filter(run=run)
        .filter(Q(failed_at__isnull=False) | Q(attempts__gt=1))
        .order_by(F("failed_at").asc(nulls_last=True), "number")[:most]
    )


def approvals(*, run: MassAssignment) -> list[RunApproval]:
    """Return what was asked and decided of a large run, the latest first; the first one may still be open."""
    return list(
        RunApproval.objects.filter(run=run).select_related("requested_by", "requested_client", "decided_by")[:20]
    )


VERBS = {
    "mass_assignment.cloned": gettext_lazy("made like another run"),
    "mass_assignment.launched": gettext_lazy("launched"),
    "mass_assignment.approval_asked": gettext_lazy("asked for approval"),
    "mass_assignment.approved": gettext_lazy("approved"),
    "mass_assignment.declined": gettext_lazy("declined"),
    "mass_assignment.rescheduled": gettext_lazy("moved to another moment"),
    "mass_assignment.audience_taken": gettext_lazy("went over to the audience as it was saved then"),
    "mass_assignment.paused": gettext_lazy("paused"),
    "mass_assignment.resumed": gettext_lazy("resumed"),
    "mass_assignment.retried": gettext_lazy("tried again"),
    "mass_assignment.cancelled": gettext_lazy("cancelled"),
    "mass_assignment.undo_started": gettext_lazy("undo begun"),
    "mass_assignment.undo_retried": gettext_lazy("undo tried again"),
    "mass_assignment.undone": gettext_lazy("undone"),
    "mass_assignment.exported": gettext_lazy("outcomes exported"),
}


def timeline(*, run: MassAssignment) -> list[Entry]:
    """Return what happened to a run, the latest first; two queries."""
    entries = [Entry(run.created_at, _("prepared"), actor=str(run.created_by or ""))]
    for event in (
        AuditEvent.objects.filter(object_type="offers.massassignment", object_id=str(run.pk))
        .select_related("user", "api_client")
        .order_by("-id")[:100]
    ):
        who = str(event.user) if event.user else (event.api_client.name if event.api_client else "")
        entries.append(Entry(event.at, VERBS.get(event.action, event.action.partition(".")[2]), actor=who))
    if run.planned_at:
        entries.append(Entry(run.planned_at, _("planned: audience frozen, codes reserved")))
    if run.finished_at and run.state != MassAssignment.State.CANCELLED:
        ended = run.undo.state_before if hasattr(run, "undo") else run.state
        entries.append(Entry(run.finished_at, MassAssignment.State(ended).label))
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def templates_to_run(*, programme: Programme, text: str = "", offer_id: int | None = None) -> QuerySet[OfferTemplate]:
    """Return the templates that a run can be made of: in use, of published personalized offers (S4-24)."""
    found = templates.templates(programme=programme, text=text, is_archived=False).filter(
        config_offer__state=ConfigOffer.State.PUBLISHED, config_offer__audience=Audience.PERSONALIZED
    )
    if offer_id is not None:
        found = found.filter(config_offer=offer_id)
    # An offer's default template, which means the offer itself, stands before its others.
    return found.order_by("config_offer__name", "config_offer", "-is_default", "name")


def template_to_run(*, programme: Programme, template_id: int | None) -> OfferTemplate | None:
    """Return the template when a run can be made of it; None for another one's, unpublished or archived."""
    if template_id is None:
        return None
    found = templates_to_run(programme=programme).select_related("config_offer__voucher_bank")
    return found.filter(pk=template_id).first()
