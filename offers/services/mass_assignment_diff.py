"""Going on from a run: the same offer on the same terms, to the members who match now and are new since (B-03)."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from loyalty.database import execute, in_transaction
from loyalty.models import User
from offers.models import Campaign, MassAssignment, TargetingVersion
from offers.selectors import mass_assignment_family as family
from offers.services import audience, mass_assignment
from offers.services.audience import DryRun
from offers.services.mass_assignment import NotLaunchable, Started


def dry_run(*, run: MassAssignment, now: datetime) -> DryRun:
    """Count whom a run that goes on from this one would reach: only members in none of the line's frozen audiences.

    Asks the audience as it is saved now, which may be a later version than the run had. Raises as `audience.dry_run`,
    and NotLaunchable where the run was never planned, so that nobody knows who is new.
    """
    version = _version(run)
    return audience.dry_run(
        programme=run.programme,
        template=run.template,
        criteria=version.criteria,
        terms=run.terms,
        campaign=_campaign(run),
        now=now,
        held_out=audience.hold_out(percent=run.hold_out_percent, campaign=run.campaign, reference="to be made"),
        member_values=run.member_values,
        earlier=family.line(run=run),
    )


def start(
    *,
    run: MassAssignment,
    reference: UUID,
    actor: User | None,
    now: datetime,
    is_launched: bool = True,
) -> Started:
    """Make a run that goes on from this one, and launch it (or keep it as a draft), once for each reference.

    It takes offer, template, terms, values per member, campaign, rank and hold-out. Raises what `create` and `launch`
    raise, and NotLaunchable where the run was never planned; then nothing is written. The caller rings the workers.
    (B-03)
    """
    version = _version(run)

    def work() -> Started:
        # As `mass_assignment.start`: the second click waits, and finds what the first one made.
        execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"mass_assignment:{reference}"])
        known = MassAssignment.objects.filter(programme=run.programme, reference=reference).first()
        if known is not None:
            return Started(known, is_replayed=True)
        made = mass_assignment.create(
            programme=run.programme,
            template=run.template,
            targeting_version=version,
            name=(_("%(run)s: new members") % {"run": run.name.removesuffix(_(": new members"))})[:200],
            campaign=_campaign(run),
            terms=run.terms,
            rank=run.rank,
            actor=actor,
            now=now,
            reference=reference,
            hold_out_percent=run.hold_out_percent,
            member_values=run.member_values,
        )
        made.follows, made.first_id = run, run.first_id or run.pk
        made.save(update_fields=["follows", "first"])
        if is_launched:
            mass_assignment.launch(run=made, actor=actor, now=now)
        return Started(made, is_replayed=False)

    return in_transaction(work)


def _version(run: MassAssignment) -> TargetingVersion:
    if run.planned_at is None or run.targeting_version is None:
        raise NotLaunchable(_("“%(run)s” has no frozen audience yet, so nobody can be new to it.") % {"run": run.name})
    current = run.targeting_version.targeting.current_version
    return current or run.targeting_version


def _campaign(run: MassAssignment) -> Campaign | None:
    """Return the campaign that was chosen; a run's own one stays its own."""
    return run.campaign if run.campaign and not run.campaign.is_of_run else None
