"""Mass assignments as their operators see them: made, launched, paused, resumed, cancelled (DESIGN 4).

What follows a commit (a message to the workers) is the door's business; the sweeper repairs what was lost. State moves
by compare-and-set. `audience` knows whom a run reaches, `reservation` what it keeps for it, `execution` does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty import patience
from loyalty.database import execute, in_transaction
from loyalty.errors import Conflict
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit
from offers.models import Campaign, MassAssignment, MassAssignmentChunk, OfferTemplate, TargetingVersion
from offers.services import (
    audience,
    execution,
    member_value,
    module,
    reservation,
    run_approval,
    run_dry_run,
    targeting,
)

State = MassAssignment.State
NOBODY = Decimal(0)
# Up to so many members, cancelling gives the codes back itself: about a second.
AT_ONCE = 50_000
LONGEST_WAIT_DAYS = 90


class NotLaunchable(Conflict):
    """The run is not in a state in which this can be done."""

    code = "mass_assignment_state"


class OutOfCodes(Conflict):
    """The bank has too few codes for the chunks that are to be done again."""

    code = "out_of_codes"


@dataclass(frozen=True)
class LaunchPlan:
    """When a run begins; and what it does where there are too few codes, or too little left of a limit (B-01).

    Without `launch_at` it begins at once.
    """

    on_shortfall: str = MassAssignment.OnShortfall.FAIL
    wait_days: int = 7
    launch_at: datetime | None = None


AT_ONCE_OR_NOBODY = LaunchPlan()


@dataclass(frozen=True)
class Started:
    """A run that a form started; `is_replayed` when the same form had started it before."""

    run: MassAssignment
    is_replayed: bool


def start(
    *,
    programme: Programme,
    reference: UUID,
    template: OfferTemplate,
    targeting_version: TargetingVersion,
    name: str,
    campaign: Campaign | None,
    terms: Mapping[str, Any],
    rank: int | None,
    is_launched: bool,
    actor: User | None,
    now: datetime,
    hold_out_percent: Decimal = NOBODY,
    member_values: Mapping[str, Any] | None = None,
    plan: LaunchPlan = AT_ONCE_OR_NOBODY,
) -> Started:
    """Make a run and launch it (or keep it as a draft), once for each reference: a double click starts one.

    Raises what `create` and `launch` raise; then nothing is written. The caller rings the workers. (S4-24, S4-27)
    """

    def work() -> Started:
        # Held until the commit: the second click waits, and finds what the first one made.
        execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"mass_assignment:{reference}"])
        known = MassAssignment.objects.filter(programme=programme, reference=reference).first()
        if known is not None:
            return Started(known, is_replayed=True)
        run = create(
            programme=programme,
            template=template,
            targeting_version=targeting_version,
            name=name,
            campaign=campaign,
            terms=terms,
            rank=rank,
            actor=actor,
            now=now,
            reference=reference,
            hold_out_percent=hold_out_percent,
            member_values=member_values,
            plan=plan,
        )
        if is_launched:
            launch(run=run, actor=actor, now=now)
        return Started(run, is_replayed=False)

    return in_transaction(work)


def create(
    *,
    programme: Programme,
    template: OfferTemplate,
    targeting_version: TargetingVersion,
    name: str,
    campaign: Campaign | None,
    terms: Mapping[str, Any],
    rank: int | None,
    actor: User | None,
    now: datetime,
    reference: UUID | None = None,
    hold_out_percent: Decimal = NOBODY,
    member_values: Mapping[str, Any] | None = None,
    plan: LaunchPlan = AT_ONCE_OR_NOBODY,
) -> MassAssignment:
    """Make a draft and return it. Raises InvalidInput naming every missing or unacceptable rule value (S0-07), and
    targeting.Archived where the audience is no longer in use.

    `member_values` are rules of which a field differs per member (`services.member_value`; S1-01, S1-05).
    `hold_out_percent` of those who would get it get nothing and are named `held_out`: the same members in each run of
    a campaign. (B-13, D-19)
    """
    module.require(programme=programme)
    today = now.astimezone(programme.zone).date()
    values = member_value.read(programme=programme, given=member_values, terms=terms, today=today)
    # What is over by the moment of the launch is refused now.
    begins_at = plan.launch_at or now
    audience.prepare(programme=programme, template_id=template.pk, given=terms, now=begins_at, values=values)
    with transaction.atomic():
        targeting.hold(version=targeting_version)
        return MassAssignment.objects.create(
            programme=programme,
            reference=reference,
            name=(name.strip() or f"{template.config_offer.name} → {targeting_version.targeting.name}")[:200],
            config_offer=template.config_offer,
            template=template,
            targeting_version=targeting_version,
            campaign=campaign,
            terms=dict(terms),
            member_values=values.data(),
            rank=rank,
            hold_out_percent=hold_out_percent,
            on_shortfall=plan.on_shortfall,
            wait_days=plan.wait_days,
            launch_at=plan.launch_at,
            created_by=actor,
        )


def launch(
    *,
    run: MassAssignment,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
    plan: LaunchPlan | None = None,
) -> MassAssignment:
    """Put a draft, or a failed run after its cause is mended, in line for planning; returns the run as it is now.

    A run that is too large for one person waits for the approval of another (`run_approval`). A `plan` replaces what
    the run was made with: cut it, or let it wait, where there is too little (B-01). The caller rings the workers after
    the commit. A second launch of the same run (a double click) raises NotLaunchable. (S4-24, S4-28)
    """
    module.require(programme=run.programme)
    changed: dict[str, Any] = {}
    if plan is not None:
        changed = {
            "on_shortfall": plan.on_shortfall,
            "wait_days": plan.wait_days,
            "launch_at": plan.launch_at or run.launch_at,
        }
    for name, value in changed.items():
        setattr(run, name, value)
    size = None
    if run_approval.has_thresholds(run.programme) and run.state in (State.DRAFT, State.FAILED):
        # Counting may take seconds, so nothing is locked meanwhile; planning looks at the exact numbers.
        size = run_dry_run.size(run=run, found=run_dry_run.of(run=run, now=now))
    with transaction.atomic():
        moved = MassAssignment.objects.filter(pk=run.pk, state__in=[State.DRAFT, State.FAILED]).update(
            **changed,
            state=State.SCHEDULED,
            waiting=None,
            wait_until=None,
            launched_by=actor,
            launched_at=now,
            failure=None,
            planning_attempts=0,
            leased_until=None,
            finished_at=None,
            updated_at=now,
        )
        run.refresh_from_db()
        if not moved:
            raise NotLaunchable(
                _("“%(run)s” was launched already: it is %(state)s.")
                % {"run": run.name, "state": run.get_state_display()}
            )
        audit.record(
            action="mass_assignment.launched",
            actor=actor,
            api_client=api_client,
            programme=run.programme,
            target=run,
        )
        if size and (cause := run_approval.cause(run=run, members=size[0], exposure_minor=size[1])):
            run_approval.ask(
                run=run,
                cause=cause,
                members=size[0],
                exposure_minor=size[1],
                actor=actor,
                api_client=api_client,
                now=now,
            )
            run.refresh_from_db()
    return run


def pause(
    *, run: MassAssignment, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MassAssignment:
    """Let chunks in flight finish and take no more until `resume`."""
    return _move(run, [State.RUNNING], State.PAUSED, "mass_assignment.paused", actor, now, api_client)


def resume(
    *, run: MassAssignment, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MassAssignment:
    """Go on with a paused run; the caller rings the workers.

    Raises NotLaunchable where nothing may be given any more: the offer is over, archived, the module off.
    """
    found = audience.obstacle(
        run=MassAssignment.objects.select_related("config_offer", "template", "programme").get(pk=run.pk), now=now
    )
    if found and run.state == State.PAUSED:
        raise NotLaunchable(found["message"])
    return _move(run, [State.PAUSED], State.RUNNING, "mass_assignment.resumed", actor, now, api_client)


@patience.patient()
def retry(
    *, run: MassAssignment, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MassAssignment:
    """Do the chunks again that were given up: the run goes on, with attempts anew; what was assigned stays.

    Their codes went back when the run ended, so as many are reserved again, all or nothing: with too few it raises
    OutOfCodes and nothing is changed; likewise shares of limits (Conflict: cap_reached, budget_reached). Raises
    NotLaunchable where none was given up, or nothing may be given any more.
    The caller rings the workers. (S4-28, C-04)
    """

    def work() -> MassAssignment:
        moved = _move(
            run, [State.FINISHED_WITH_ERRORS], State.RUNNING, "mass_assignment.retried", actor, now, api_client
        )
        planned = MassAssignment.objects.select_related("config_offer", "template", "programme").get(pk=run.pk)
        found = audience.obstacle(run=planned, now=now)
        if found:
            raise NotLaunchable(found["message"])
        given_up = MassAssignmentChunk.objects.filter(run=run, failed_at__isnull=False, done_at__isnull=True)
        reservation.reserve_again(run=planned, chunks=given_up, now=now)
        given_up.update(attempts=0, failed_at=None, leased_until=None)
        MassAssignment.objects.filter(pk=run.pk).update(finished_at=None)
        moved.finished_at = None
        return moved

    try:
        return in_transaction(work)
    except reservation.Refused as error:
        # What was written is undone; so is what the instance in hand says.
        run.refresh_from_db()
        failure = error.failure
        if failure["code"] != "out_of_codes":
            raise Conflict(**failure) from error
        raise OutOfCodes(
            _("It needs %(needed)d codes, and %(short)d of them are missing. Import codes, then try again.") % failure,
            needed=failure["needed"],
            short=failure["short"],
        ) from error
    except NotLaunchable:
        run.refresh_from_db()
        raise


@patience.patient()
def cancel(
    *, run: MassAssignment, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MassAssignment:
    """Stop for good: what was assigned stays, reserved codes that nobody got go back.

    A large run's codes are given back by the workers; the caller rings them.
    """

    def work() -> MassAssignment:
        moved = _move(
            run,
            [
                State.DRAFT,
                State.AWAITING_APPROVAL,
                State.SCHEDULED,
                State.PLANNED,
                State.RUNNING,
                State.PAUSED,
            ],
            State.CANCELLED,
            "mass_assignment.cancelled",
            actor,
            now,
            api_client,
        )
        if (moved.eligible or 0) <= AT_ONCE:
            reservation.release(run=moved, now=now)
        run_approval.withdraw(run=run, actor=actor, now=now)
        MassAssignment.objects.filter(pk=run.pk).update(finished_at=now)
        moved.finished_at = now
        return moved

    return in_transaction(work)


def _move(
    run: MassAssignment,
    allowed: list[str],
    to: str,
    action: str,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None,
) -> MassAssignment:
    with transaction.atomic():
        execution.lock_run(run_id=run.pk)
        moved = MassAssignment.objects.filter(pk=run.pk, state__in=allowed).update(
            state=to, failure=None, updated_at=now
        )
        run.refresh_from_db()
        if not moved:
            raise NotLaunchable(
                _("“%(run)s” is %(state)s: that cannot be done now.")
                % {"run": run.name, "state": run.get_state_display()}
            )
        audit.record(action=action, actor=actor, api_client=api_client, programme=run.programme, target=run)
    return run
