"""Campaigns: the list, and one campaign's page with its limits and its runs. They are changed in the admin."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from loyalty import clock
from loyalty.listing import Column, Listing
from loyalty.staff import StaffRequest
from offers.forms.campaign import CampaignFilter
from offers.selectors import campaign as selectors
from offers.selectors import limit as limits
from offers.views.access import staff

COLUMNS = (
    Column("name", gettext_lazy("Campaign"), "name"),
    Column("type", gettext_lazy("Type"), "type"),
    Column("starts", gettext_lazy("Starts"), "starts_at"),
    Column("ends", gettext_lazy("Ends"), "ends_at"),
    Column("limits", gettext_lazy("Limits")),
)


@require_safe
@staff("offers.view_campaign")
def campaigns(request: StaffRequest) -> HttpResponse:
    """List the campaigns; filters, sort and page stand in the address."""
    filters = CampaignFilter(request.GET)
    filters.is_valid()
    found = selectors.campaigns(programme=request.programme, text=filters.cleaned_data.get("q", ""))
    listing = Listing(request, found, columns=COLUMNS, default_sort="-starts", filters=filters)
    return render(request, "offers/campaigns.html", {"listing": listing})


@require_safe
@staff("offers.view_campaign")
def campaign(request: StaffRequest, pk: int) -> HttpResponse:
    """Show one campaign: when it runs, what it may give and gave, and its runs."""
    found = get_object_or_404(selectors.campaigns(programme=request.programme), pk=pk)
    context = {
        "campaign": found,
        "runs": selectors.runs(campaign=found),
        "usage": limits.of(found, now=clock.now()),
        "limit_history": limits.history(found, most=5),
    }
    return render(request, "offers/campaign.html", context)
