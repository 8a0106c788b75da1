"""Campaigns as staff and machines see them: those that a run made for itself are left out (D-01)."""

from collections.abc import Collection

from django.db.models import Q, QuerySet

from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import Campaign, MassAssignment


class CampaignNotFound(NotFound):
    """The programme has no such campaign."""

    code = "unknown_campaign"


def campaigns(*, programme: Programme, text: str = "") -> QuerySet[Campaign]:
    """Return the programme's campaigns with their limits; `text` looks into name, external id and type."""
    found = Campaign.objects.filter(programme=programme, is_of_run=False).select_related("programme", "limit")
    for word in text.split():
        found = found.filter(Q(name__icontains=word) | Q(external_id__icontains=word) | Q(type__icontains=word))
    return found


def find(*, programme: Programme, external_id: str) -> Campaign:
    """Return the campaign with that external id. Raises CampaignNotFound."""
    found = campaigns(programme=programme).filter(external_id=external_id).first()
    if found is None:
        raise CampaignNotFound(f"There is no campaign “{external_id}”.", external_id=external_id)
    return found


def ids_by_external_id(*, programme: Programme, external_ids: Collection[str]) -> dict[str, int]:
    """Return the ids of those campaigns that the programme knows."""
    if not external_ids:
        return {}
    return dict(campaigns(programme=programme).filter(external_id__in=external_ids).values_list("external_id", "pk"))


def runs(*, campaign: Campaign, most: int = 20) -> QuerySet[MassAssignment]:
    """Return the campaign's latest mass assignments, each with its offer."""
    return MassAssignment.objects.filter(campaign=campaign).select_related("config_offer").order_by("-id")[:most]
