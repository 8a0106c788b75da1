from loyalty import clock
from offers.models import ConfigOffer, MassAssignment, OfferTemplate, Targeting
from offers.services import execution, mass_assignment
from tests.factories.targeting import TargetingFactory


def draft_run(
    offer: ConfigOffer | OfferTemplate, *, targeting: Targeting | None = None, **values: object
) -> MassAssignment:
    """Return a draft to every member of the offer's programme, or to those of a targeting.

    `values` are those of `mass_assignment.create`: name, campaign, terms, rank, actor.
    """
    template = offer if isinstance(offer, OfferTemplate) else offer.templates.get(is_default=True)
    return mass_assignment.create(
        programme=template.programme,
        template=template,
        targeting_version=(targeting or TargetingFactory(programme=template.programme)).current_version,
        now=clock.now(),
        **({"name": "", "campaign": None, "terms": {}, "rank": None, "actor": None} | values),
    )


def launch_run(offer: ConfigOffer | OfferTemplate, **values: object) -> MassAssignment:
    """Return such a run, launched; nobody was rung."""
    return mass_assignment.launch(run=draft_run(offer, **values), actor=None, now=clock.now())


def plan_run(offer: ConfigOffer | OfferTemplate, **values: object) -> MassAssignment:
    """Return such a run with its audience frozen and its codes reserved; anything else is an error."""
    run = launch_run(offer, **values)
    assert execution.plan(run_id=run.pk, now=clock.now())
    run.refresh_from_db()
    return run


def work(run: MassAssignment) -> MassAssignment:
    """Do with a run what a worker does, in this process, and return it as it is then."""
    return execution.run_to_end(run_id=run.pk, clock=clock.now)
