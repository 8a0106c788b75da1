"""Mass assignments as their operators see them: made, launched, paused, resumed, cancelled (DESIGN 4).

What follows a commit (a message to the workers) is the door's business; the sweeper repairs what was lost. State moves
by compare-and-set. `audience` knows whom a run reaches, `execution` does it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.database import in_transaction
from loyalty.errors import Conflict
from loyalty.models import Programme, User
from loyalty.services import audit
from offers.models import Campaign, MassAssignment, OfferTemplate, TargetingVersion
from offers.services import audience, door, execution

State = MassAssignment.State


class NotLaunchable(Conflict):
    """The run is not in a state in which this can be done."""

    code = "mass_assignment_state"


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
) -> MassAssignment:
    """Make a draft and return it. Raises InvalidInput naming every missing or unacceptable rule value (S0-07)."""
    door.require_module(programme)
    audience.prepare(programme=programme, template_id=template.pk, given=terms, now=now)
    return MassAssignment.objects.create(
        programme=programme,
        name=name.strip() or f"{template.config_offer.name} → {targeting_version.targeting.name}",
        config_offer=template.config_offer,
        template=template,
        targeting_version=targeting_version,
        campaign=campaign,
        terms=dict(terms),
        rank=rank,
        created_by=actor,
    )


def launch(*, run: MassAssignment, actor: User | None, now: datetime) -> MassAssignment:
    """Put a draft, or a failed run after its cause is mended, in line for planning; returns the run as it is now.

    The caller rings the workers after the commit. A second launch of the same run (a double click) raises
    NotLaunchable. (S4-24, S4-28)
    """
    door.require_module(run.programme)
    with transaction.atomic():
        moved = MassAssignment.objects.filter(pk=run.pk, state__in=[State.DRAFT, State.FAILED]).update(
            state=State.SCHEDULED,
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
            raise NotLaunchable(f"“{run.name}” was launched already: it is {run.get_state_display()}.")
        audit.record(action="mass_assignment.launched", actor=actor, programme=run.programme, target=run)
    return run


def pause(*, run: MassAssignment, actor: User | None, now: datetime) -> MassAssignment:
    """Let chunks in flight finish and take no more until `resume`."""
    return _move(run, [State.RUNNING], State.PAUSED, "mass_assignment.paused", actor, now)


def resume(*, run: MassAssignment, actor: User | None, now: datetime) -> MassAssignment:
    """Go on with a paused run; the caller rings the workers."""
    return _move(run, [State.PAUSED], State.RUNNING, "mass_assignment.resumed", actor, now)


def cancel(*, run: MassAssignment, actor: User | None, now: datetime) -> MassAssignment:
    """Stop for good: what was assigned stays, reserved codes that nobody got go back."""

    def work() -> MassAssignment:
        moved = _move(
            run,
            [State.DRAFT, State.SCHEDULED, State.PLANNED, State.RUNNING, State.PAUSED],
            State.CANCELLED,
            "mass_assignment.cancelled",
            actor,
            now,
        )
        execution.release(run=moved, now=now)
        MassAssignment.objects.filter(pk=run.pk).update(finished_at=now)
        moved.finished_at = now
        return moved

    return in_transaction(work)


def _move(
    run: MassAssignment, allowed: list[str], to: str, action: str, actor: User | None, now: datetime
) -> MassAssignment:
    with transaction.atomic():
        moved = MassAssignment.objects.filter(pk=run.pk, state__in=allowed).update(state=to, updated_at=now)
        run.refresh_from_db()
        if not moved:
            raise NotLaunchable(f"“{run.name}” is {run.get_state_display()}: that cannot be done now.")
        audit.record(action=action, actor=actor, programme=run.programme, target=run)
    return run
