"""A run that has not begun, or a schedule, goes over to its audience as it is saved now (B-03).

Both keep the version that they were made with, because that is what was counted, shown and approved; nobody's edit
changes whom they reach. Taking the newer one is somebody's decision, and stands in the history.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import MassAssignment, RunSchedule, Targeting, TargetingVersion
from offers.services import targeting

State = MassAssignment.State
# One that waits for approval is judged by what it reaches: it is declined or cancelled, and launched anew.
MOVABLE = (State.DRAFT, State.SCHEDULED)


class AudienceFixed(Conflict):
    """The run's audience is frozen, waits for approval, or the schedule has ended."""

    code = "audience_fixed"


def take_current(
    *, run: MassAssignment, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> MassAssignment:
    """Have a draft, or a run for later, reach its audience as it is saved now. Again changes nothing.

    Raises AudienceFixed once it is being planned, and Archived. Approval is asked for at the launch or when it is
    planned, as for any other. (B-03)
    """
    with transaction.atomic():
        locked = MassAssignment.objects.select_for_update().get(pk=run.pk)
        before, version = locked.targeting_version_id, _current(locked)
        if locked.state not in MOVABLE or locked.leased_until is not None:
            words = {"run": locked.name, "state": locked.get_state_display()}
            message = _("“%(run)s” is %(state)s, so its audience stays as it is. Make another run for the one of now.")
            raise AudienceFixed(message % words)
        MassAssignment.objects.filter(pk=run.pk).update(targeting_version=version, updated_at=now)
        run.refresh_from_db()
        if before != version.pk:
            _record("mass_assignment.audience_taken", run, version, actor, api_client)
    return run


def take_current_again(
    *, schedule: RunSchedule, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> RunSchedule:
    """Have the runs that a schedule makes from now on reach its audience as it is saved now. Again changes nothing.

    Raises AudienceFixed once it has ended, and Archived. (B-03)
    """
    with transaction.atomic():
        # Its row before the audience's lock, as whoever makes a run of it: nobody waits crosswise.
        locked = RunSchedule.objects.select_for_update().get(pk=schedule.pk)
        if locked.ended_at is not None:
            raise AudienceFixed(_("“%(name)s” has ended, so it reaches nobody any more.") % {"name": locked.name})
        before, version = locked.targeting_version_id, _current(locked)
        RunSchedule.objects.filter(pk=schedule.pk).update(targeting_version=version, updated_at=now)
        schedule.refresh_from_db()
        if before != version.pk:
            _record("run_schedule.audience_taken", schedule, version, actor, api_client)
    return schedule


def _current(one: MassAssignment | RunSchedule) -> TargetingVersion:
    kept = one.targeting_version
    if kept is None:
        raise AudienceFixed(_("“%(name)s” has no audience that could have changed.") % {"name": one.name})
    targeting.hold(version=kept)
    return Targeting.objects.select_related("current_version").get(pk=kept.targeting_id).current_version or kept


def _record(
    action: str,
    target: MassAssignment | RunSchedule,
    version: TargetingVersion,
    actor: User | None,
    api_client: ApiClient | None,
) -> None:
    audit.record(
        action=action,
        actor=actor,
        api_client=api_client,
        programme=target.programme,
        target=target,
        data={"targeting": version.targeting_id, "version": version.number},
    )
