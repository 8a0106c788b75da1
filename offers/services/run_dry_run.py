"""What launching a run that is already made would do now."""

from dataclasses import replace
from datetime import datetime

from loyalty.models import Programme
from offers.models import MassAssignment
from offers.services import audience, run_approval, run_period
from offers.services.audience import DryRun


def of(*, run: MassAssignment, now: datetime) -> DryRun:
    """Return the dry run of a draft, or of a run that waits. Raises InvalidInput where it could not be launched now."""
    version = run.targeting_version
    found = audience.dry_run(
        programme=run.programme,
        template=run.template,
        criteria=version.criteria if version else {},
        terms=run.terms,
        member_values=run.member_values,
        campaign=run.campaign,
        now=now,
        held_out=audience.hold_out(
            percent=run.hold_out_percent, campaign=run.campaign, reference=run.reference or run.pk
        ),
    )
    begins_at = max(now, run.launch_at or now)
    odd = run_period.warnings(
        template=run.template,
        terms=run.terms,
        member_values=run.member_values,
        begins_at=begins_at,
        spreads=found.spreads,
    )
    return replace(found, warnings=odd)


def size(*, run: MassAssignment, found: DryRun) -> tuple[int, int]:
    """Return how many the run would assign, and the worst case of them: less than all where it is to be cut (B-01)."""
    return _size(found, is_cut=run.on_shortfall == MassAssignment.OnShortfall.CUT, differs=bool(run.member_values))


def needs_approval(*, programme: Programme, found: DryRun, differs: bool, is_cut: bool = False) -> bool:
    """Say whether a new run, launched now, would wait for an approval; `differs`: its values per member do."""
    members, exposure_minor = _size(found, is_cut=is_cut, differs=differs)
    return run_approval.is_large(programme=programme, members=members, exposure_minor=exposure_minor)


def run_needs_approval(*, run: MassAssignment, found: DryRun) -> bool:
    """Say whether launching this run now would wait for somebody else's approval: not where it has one that holds."""
    members, exposure_minor = size(run=run, found=found)
    return bool(run_approval.cause(run=run, members=members, exposure_minor=exposure_minor))


def _size(found: DryRun, *, is_cut: bool, differs: bool) -> tuple[int, int]:
    if not is_cut or found.fits >= found.eligible:
        return found.eligible, found.exposure_minor
    # Where the worst case differs per member, that of all stands for that of those who stay.
    return found.fits, found.exposure_minor if differs else found.exposure_minor * found.fits // found.eligible
