"""Who looked at what: by person, member, kind and day, on a page and as a file (issue 5)."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from loyalty import clock, staff, table_export
from loyalty.errors import NotFound
from loyalty.listing import Column, Listing
from support.filters.look import LookFilter
from support.selectors import look as selectors
from support.selectors import period
from support.services import look_export

MAY = "loyalty.view_auditevent"
COLUMNS = (
    Column("at", gettext_lazy("When"), sort="at"),
    Column("person", gettext_lazy("Who"), sort="user__username"),
    Column("action", gettext_lazy("What"), sort="action"),
    Column("member", gettext_lazy("Whom")),
    Column("details", gettext_lazy("Details")),
)


@require_safe
@staff.required(MAY)
def looks(request: staff.StaffRequest) -> HttpResponse:
    """Show the looks that the address asks for: of the last 28 days, where it asks for no days and no member."""
    found = _filtered(request)
    rows = found.qs if found.form.is_valid() else found.qs.none()
    listing = Listing(request, rows, columns=COLUMNS, default_sort="-at", filters=found.form)
    members = selectors.members_of(programme=request.programme, events=listing.page.object_list)
    context = {"listing": listing, "members": members, "words": selectors.LOOKS}
    return render(request, "support/looks.html", context)


@require_safe
@staff.required(MAY)
def export(request: staff.StaffRequest, file_format: table_export.Format) -> HttpResponseBase:
    """Stream the looks that the filters keep; that it was taken out is a look as well."""
    found = _filtered(request)
    if not found.form.is_valid():
        raise NotFound(_("There are no such looks."))
    return look_export.export(
        programme=request.programme,
        found=found.qs.order_by("-id"),
        filters={key: str(value) for key, value in request.GET.items() if value},
        file_format=file_format,
        actor=request.user,
    )


def _filtered(request: staff.StaffRequest) -> LookFilter:
    asked = request.GET.copy()
    if not any(asked.get(name) for name in ("since", "until", "member")):
        recent = period.named(programme=request.programme, name=period.RECENT, now=clock.now())
        asked["since"] = recent.first.isoformat()
    return LookFilter(asked, queryset=selectors.looks(programme=request.programme), request=request)
