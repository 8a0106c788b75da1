from datetime import datetime

from django.db import transaction

from loyalty import clock
from loyalty.models import Member
from offers.models import Assignment, ConfigOffer, OfferTemplate
from offers.models.assignment import Source


def give(
    member: Member,
    offer: ConfigOffer | OfferTemplate,
    *,
    source: Source = Source.SUPPORT,
    now: datetime | None = None,
    **grant,
) -> Assignment:
    """Assign the offer (or template) to the member and return the assignment; anything else is an error.

    `grant` takes the fields of `Grant`: terms, campaign_id, reference, rank, fields, replaces_id.
    """
    from offers.services import assignment

    template = offer if isinstance(offer, OfferTemplate) else offer.templates.get(is_default=True)
    blank = {"terms": {}, "campaign_id": None, "reference": None, "rank": None, "fields": None, "replaces_id": None}
    with transaction.atomic():
        [outcome] = assignment.assign(
            programme=member.programme,
            grants=[
                assignment.Grant(
                    member_external_id=None, member_id=member.pk, template_id=template.pk, **(blank | grant)
                )
            ],
            source=source,
            actor=None,
            now=now or clock.now(),
        )
    if outcome.assignment_id is None:
        raise AssertionError(f"Not assigned: {outcome}")
    return Assignment.objects.get(pk=outcome.assignment_id)
