"""Planning a launched run: its audience is frozen, what it needs is reserved, its chunks are cut (DESIGN 4, D-05).

A worker may die at any line: attempts are counted before the work, and all of it commits or nothing does. The run's row
is locked throughout; the locks that everybody needs are the last act.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from loyalty.database import execute, in_transaction, rows
from loyalty.errors import InvalidInput
from offers.models import Campaign, MassAssignment
from offers.selectors import mass_assignment_family as family
from offers.services import audience, member_value, reservation, run_approval, run_notification, shortening, waiting
from offers.services.terms import Prepared

log = structlog.get_logger(__name__)
State = MassAssignment.State
OnShortfall = MassAssignment.OnShortfall


def plannable(*, now: datetime) -> QuerySet[MassAssignment]:
    """Return the launched runs that are to be planned now: their moment has come, and nobody is at it."""
    return (
        MassAssignment.objects.filter(state=State.SCHEDULED, waiting__isnull=True)
        .filter(Q(launch_at__isnull=True) | Q(launch_at__lte=now))
        .filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now))
    )


def plan(*, run_id: int, now: datetime) -> bool:
    """Freeze the audience, reserve what it needs and cut the chunks; return whether the run now runs.

    All or nothing: too few codes, too little left of a cap or a budget, or terms that no longer hold, and the run is
    `failed` with its cause and nothing else written; or, where it was launched so, cut to what is there, or waiting
    for it (B-01). A run too large for one person waits for approval. Attempts are counted before the work. Safe to
    call twice. (S4-27, S4-28, B-03, D-05)
    """
    lease = timedelta(seconds=settings.MASS_ASSIGNMENT_LEASE_SECONDS)
    taken = (
        plannable(now=now)
        .filter(pk=run_id)
        .update(leased_until=now + lease, planning_attempts=F("planning_attempts") + 1)
    )
    if not taken:
        return False
    run = MassAssignment.objects.select_related("programme", "targeting_version", "campaign", "launched_by").get(
        pk=run_id
    )
    if run.planning_attempts > settings.MASS_ASSIGNMENT_ATTEMPTS:
        _fail(run, {"code": "planning_failed", "attempts": run.planning_attempts - 1}, now)
        return False
    try:
        return in_transaction(lambda: _plan(run, now))
    except reservation.Refused as refused:
        if not waiting.begin(run=run, failure=refused.failure, now=now):
            _fail(run, refused.failure, now)
    except reservation.Outrun:
        # Another door filled the campaign for one of its members meanwhile: the next round leaves her out.
        MassAssignment.objects.filter(pk=run.pk, state=State.SCHEDULED).update(leased_until=None, updated_at=now)
        return plan(run_id=run_id, now=now)
    except run_approval.Needed as needed:
        run_approval.ask(
            run=run,
            cause=needed.cause,
            members=needed.members,
            exposure_minor=needed.exposure_minor,
            actor=run.launched_by,
            now=now,
        )
    except InvalidInput as error:
        _fail(run, {"code": error.code, "message": error.message, "problems": error.problems}, now)
    return False


def _fail(run: MassAssignment, failure: Mapping[str, Any], now: datetime) -> None:
    with transaction.atomic():
        moved = MassAssignment.objects.filter(pk=run.pk, state=State.SCHEDULED).update(
            state=State.FAILED, failure=dict(failure), finished_at=now, leased_until=None, updated_at=now
        )
        if moved:
            run_notification.tell_end(run_id=run.pk, now=now)
    log.warning("mass_assignment.failed", run=run.pk, **failure)


# One reading of the frozen audience cuts the chunks and counts who was left out, by reason.
CUT = """
    WITH part AS MATERIALIZED (
        SELECT outcome, ordinal / %(chunk)s AS number, min(member_id) AS first, max(member_id) AS last, count(*) AS n
          FROM offers_audiencemember
         WHERE run_id = %(run_id)s
         GROUP BY outcome, ordinal / %(chunk)s
    ), cut AS (
        INSERT INTO offers_massassignmentchunk
               (run_id, number, first_member_id, last_member_id, size, attempts, assigned, refused, failure)
        SELECT %(run_id)s, number, first, last, n, 0, 0, '{}', ''
          FROM part
         WHERE number IS NOT NULL
         ORDER BY number
    )
    SELECT outcome, n FROM part WHERE outcome IS NOT NULL
"""


def _plan(run: MassAssignment, now: datetime) -> bool:
    locked = MassAssignment.objects.select_for_update().get(pk=run.pk)
    if locked.state != State.SCHEDULED or locked.planning_attempts != run.planning_attempts:
        return False
    today = now.astimezone(run.programme.zone).date()
    values = member_value.read(programme=run.programme, given=run.member_values, terms=run.terms, today=today)
    prepared = audience.prepare(
        programme=run.programme, template_id=run.template_id, given=run.terms, now=now, values=values
    )
    offer = prepared.offer
    campaign = run.campaign or _own_campaign(run)
    held_under = audience.key(prepared, campaign.pk)
    if run.first_id:
        # Two that go on from the same run: the later one sees whom the earlier one froze.
        execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"runs from {run.first_id}"])
    asked = audience.question(
        programme=run.programme,
        prepared=prepared,
        criteria=run.targeting_version.criteria if run.targeting_version else {},
        campaign_id=campaign.pk,
        now=now,
        held_out=audience.hold_out(
            percent=run.hold_out_percent, campaign=run.campaign, reference=run.reference or run.pk
        ),
        values=values,
        earlier=family.earlier(run=run),
    )
    # A relaunch after a failure plans anew; the failed planning left nothing.
    with asked.planned():
        matched = execute(asked.freeze, {**asked.params, "run_id": run.pk})
    if matched >= settings.MASS_ASSIGNMENT_CHUNK:
        # Planned against an audience without statistics, a chunk once took 210 s instead of 4.
        execute("ANALYZE offers_audiencemember")
    each_minor = None if values else prepared.exposure_minor
    if run.on_shortfall == OnShortfall.CUT:
        shortening.shorten(run=run, offer=offer, campaign_id=campaign.pk, each_minor=each_minor, now=now)
    counted = rows(CUT, {"run_id": run.pk, "chunk": settings.MASS_ASSIGNMENT_CHUNK})
    excluded = {row["outcome"]: row["n"] for row in counted if row["outcome"]}
    eligible = matched - sum(excluded.values())
    settled = _settled(run, prepared, is_own=bool(values))
    total = settled["exposure_total_minor"]
    total = eligible * settled["exposure_minor"] if total is None else total
    if cause := run_approval.cause(run=run, members=eligible, exposure_minor=total):
        raise run_approval.Needed(cause, eligible, total)
    MassAssignment.objects.filter(pk=run.pk).update(
        state=State.RUNNING,
        campaign=campaign,
        revision_id=offer.current_revision_id,
        rank=offer.rank if run.rank is None else run.rank,
        to_synchronize=offer.to_synchronize,
        require_vouchers=offer.require_vouchers,
        holding_key=held_under,
        acceptance_required=prepared.acceptance_required,
        **settled,
        matched=matched,
        excluded=excluded,
        eligible=eligible,
        planned_at=now,
        leased_until=None,
        updated_at=now,
    )
    # The locks that everybody needs are planning's last act.
    try:
        reservation.reserve(
            run=run,
            offer=offer,
            campaign_id=campaign.pk,
            per_member=asked.per_member,
            size=eligible,
            each_minor=settled["exposure_minor"],
            total_minor=settled["exposure_total_minor"],
            now=now,
        )
    except reservation.Refused as refused:
        if run.on_shortfall == OnShortfall.CUT:
            # Another door took of a limit since the run was cut to it: the next round cuts again.
            raise reservation.Outrun from refused
        raise
    return True


def _settled(run: MassAssignment, prepared: Prepared, *, is_own: bool) -> dict[str, Any]:
    """Return the run's period and worst case; where they differ per member, what they come to over its audience."""
    same = {
        "starts_at": prepared.starts_at,
        "ends_at": prepared.ends_at,
        "exposure_minor": prepared.exposure_minor,
        "exposure_total_minor": None,
    }
    if not is_own:
        return same
    found = rows(audience.SETTLED, {"run_id": run.pk})[0]
    same |= {"exposure_minor": found["dearest_minor"], "exposure_total_minor": found["exposure_minor"]}
    if found["starts_at"] is not None:
        same |= {"starts_at": found["starts_at"], "ends_at": None if found["is_endless"] else found["ends_at"]}
    return same


def _own_campaign(run: MassAssignment) -> Campaign:
    return Campaign.objects.get_or_create(
        programme=run.programme,
        external_id=f"run-{run.pk}",
        defaults={"name": run.name, "type": "mass assignment", "is_of_run": True},
    )[0]
