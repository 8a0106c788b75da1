from datetime import datetime

from django.db import transaction

from loyalty import clock
from loyalty.models import Member
from offers.models import Assignment, ConfigOffer, OfferTemplate
from offers.models.assignment import Source
from offers.services import assignment


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
    template = offer if isinstance(offer, OfferTemplate) else offer.templates.get(is_default=True)
    with transaction.atomic():
        [outcome] = assignment.assign(
            programme=member.programme,
            grants=[assignment.Grant(template_id=template.pk, member_id=member.pk, **grant)],
            source=source,
            actor=None,
            now=now or clock.now(),
        )
    if outcome.assignment_id is None:
        raise AssertionError(f"Not assigned: {outcome}")
    return Assignment.objects.get(pk=outcome.assignment_id)
