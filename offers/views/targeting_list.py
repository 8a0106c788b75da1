"""The list of audiences: searched, by owner, archived ones too, and as a file of exactly what is shown (S4-26)."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from loyalty import csv_export
from loyalty.listing import Column, Listing
from loyalty.models import Programme
from loyalty.staff import StaffRequest
from offers.filters.targeting import TargetingFilter
from offers.models import Targeting
from offers.selectors import targeting as selector
from offers.selectors import targeting_catalogue
from offers.views.access import staff

COLUMNS = (
    Column("name", gettext_lazy("Audience"), "name"),
    Column("meaning", gettext_lazy("Who is meant")),
    Column("version", gettext_lazy("Version"), end=True),
    Column("owner", gettext_lazy("Owner"), "owner__username"),
    Column("updated", gettext_lazy("Changed"), "updated_at"),
)
EXPORT_PART = 500


@require_safe
@staff("offers.view_targeting")
def targetings(request: StaffRequest) -> HttpResponse:
    """List the audiences, each with its criteria in words; filters and sort stand in the address."""
    listing = _listing(request)
    shown = list(listing.page.object_list)
    said = targeting_catalogue.sentences(programme=request.programme, targetings=shown)
    for targeting in shown:
        targeting.sentence = said[targeting.pk]
    listing.page.object_list = shown
    return render(request, "offers/targetings.html", {"listing": listing})


@require_safe
@staff("offers.view_targeting")
def export(request: StaffRequest) -> StreamingHttpResponse:
    """Stream the audiences that the list's filters keep as CSV, in the list's order."""
    listing = _listing(request)
    head = ["id", "name", "description", "criteria", "version", "owner", "created_at", "changed_at", "archived_at"]
    return csv_export.stream(name="audiences.csv", head=head, lines=_lines(request.programme, listing.queryset))


def _listing(request: StaffRequest) -> Listing:
    filters = TargetingFilter(request.GET, queryset=selector.every(request.programme), request=request)
    return Listing(request, filters.qs, columns=COLUMNS, default_sort="name", filters=filters.form)


def _lines(programme: Programme, found: QuerySet[Targeting]) -> Iterator[list[Any]]:
    rows = found.iterator(chunk_size=EXPORT_PART)
    while part := list(islice(rows, EXPORT_PART)):
        said = targeting_catalogue.sentences(programme=programme, targetings=part)
        for one in part:
            yield [
                one.pk,
                one.name,
                one.description,
                said[one.pk],
                one.current_version.number if one.current_version else "",
                one.owner or "",
                one.created_at.isoformat(),
                one.updated_at.isoformat(),
                one.archived_at.isoformat() if one.archived_at else "",
            ]
