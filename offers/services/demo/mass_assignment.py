"""The runs: each coupon to the targets of its campaign, by the engine that everyone else uses."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from loyalty.models import Programme, User
from loyalty.services.demo.source import Coupon
from offers.models import Campaign, MassAssignment, OfferTemplate, TargetingVersion
from offers.services import execution, mass_assignment
from offers.services.demo import campaign as demo_campaign

State = MassAssignment.State
PATIENCE_SECONDS = 1.0


class RunFailed(RuntimeError):
    """The engine refused a run of the demo; its cause is in the message."""


def run_all(
    *, programme: Programme, coupons: Sequence[Coupon], actor: User, clock: Callable[[], datetime]
) -> Iterator[MassAssignment]:
    """Run each coupon's mass assignment once; yields those that are over, also those of an earlier load.

    A run that an interrupted load left half done is finished last: whoever held its lease may still live.
    """
    campaigns = {one.external_id: one for one in Campaign.objects.filter(programme=programme, is_of_run=False)}
    templates = {
        one.config_offer.offer_reference: one
        for one in OfferTemplate.objects.filter(programme=programme, is_default=True).select_related(
            "config_offer__programme", "config_offer__current_revision"
        )
    }
    # A run that failed, or was cancelled by hand, is not the demo's any more: it is made again.
    known = {
        (run.config_offer_id, run.campaign_id): run
        for run in MassAssignment.objects.filter(
            programme=programme,
            config_offer__offer_reference__in=[one.reference for one in coupons],
            campaign__in=list(campaigns.values()),
        ).exclude(state__in=[State.FAILED, State.CANCELLED, State.UNDONE])
    }
    versions: dict[int, TargetingVersion] = {}
    for one in {coupon.campaign.number: coupon.campaign for coupon in coupons}.values():
        versions[one.number] = demo_campaign.audience_of(programme=programme, told=one, actor=actor)
    unfinished = []
    for coupon in coupons:
        campaign, template = campaigns[str(coupon.campaign.number)], templates[coupon.reference]
        run = known.get((template.config_offer_id, campaign.pk)) or mass_assignment.create(
            programme=programme,
            template=template,
            targeting_version=versions[coupon.campaign.number],
            name=f"{campaign.name}: {template.config_offer.name}",
            campaign=campaign,
            terms={},
            rank=None,
            actor=actor,
            now=clock(),
        )
        run = _advance(run, actor, clock)
        if run.is_over:
            yield run
        else:
            unfinished.append(run)
    for run in unfinished:
        while not run.is_over:
            time.sleep(PATIENCE_SECONDS)
            run = _advance(run, actor, clock)
        yield run


def _advance(run: MassAssignment, actor: User, clock: Callable[[], datetime]) -> MassAssignment:
    if run.is_over:
        return run
    if run.state == State.DRAFT:
        mass_assignment.launch(run=run, actor=actor, now=clock())
    if run.state == State.PAUSED:
        mass_assignment.resume(run=run, actor=actor, now=clock())
    run = execution.run_to_end(run_id=run.pk, clock=clock)
    if run.state in (State.FAILED, State.FINISHED_WITH_ERRORS):
        raise RunFailed(f"The mass assignment “{run.name}” (number {run.pk}) is {run.state}: {run.failure}")
    return run
