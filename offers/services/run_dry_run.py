"""What launching a run that is already made would do now."""

from dataclasses import replace
from datetime import datetime

from offers.models import MassAssignment
from offers.services import audience, run_period
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
    is_cut = run.on_shortfall == MassAssignment.OnShortfall.CUT and found.fits < found.eligible
    if not is_cut:
        return found.eligible, found.exposure_minor
    # Where the worst case differs per member, that of all stands for that of those who stay.
    exposure_minor = found.exposure_minor if run.member_values else found.exposure_minor * found.fits // found.eligible
    return found.fits, exposure_minor
