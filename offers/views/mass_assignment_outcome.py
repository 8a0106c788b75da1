"""A run's members, one by one: what became of each, filtered, by page, and as files (S4-27, B-03)."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from loyalty import clock, table_export, whole_number
from loyalty.errors import NotFound
from loyalty.staff import StaffRequest
from offers.filters.outcome import OutcomeFilter
from offers.models import MassAssignment
from offers.selectors import audience as audiences
from offers.selectors import mass_assignment as selectors
from offers.selectors.audience import Wanted
from offers.services import outcome_export
from offers.views.access import staff


@require_safe
@staff("offers.view_massassignment")
def members(request: StaffRequest, run_id: int) -> HttpResponse:
    """Show the frozen audience member by member, as the address filters it; `?after=` goes on."""
    run = selectors.find(programme=request.programme, run_id=run_id)
    found = _filter(request)
    wanted = found.wanted
    page = _page(request, run, wanted) if wanted else audiences.Page([], None)
    context = {
        "run": run,
        "filters": found.form,
        "page": page,
        "wanted": wanted,
        "is_filtered": wanted != audiences.EVERYONE and wanted != Wanted(is_by_name=True),
        "is_first": not request.GET.get("after"),
        "query": _query(request),
    }
    return render(request, "offers/run_members.html", context)


@require_safe
@staff("offers.view_massassignment")
def count(request: StaffRequest, run_id: int) -> HttpResponse:
    """Return how many members the filters keep: a part of the page that comes after it."""
    run = selectors.find(programme=request.programme, run_id=run_id)
    wanted = _filter(request).wanted
    n = audiences.count(run=run, now=clock.now(), wanted=wanted) if wanted else 0
    return render(request, "offers/_run_members_count.html", {"n": n})


@require_safe
@staff("offers.view_massassignment")
def export(request: StaffRequest, run_id: int, file_format: table_export.Format) -> HttpResponseBase:
    """Stream what became of each member that the filters keep; the export is audited."""
    run = selectors.find(programme=request.programme, run_id=run_id)
    wanted = _filter(request).wanted
    if wanted is None:
        raise NotFound(_("There is no such outcome."))
    return outcome_export.export(run=run, wanted=wanted, file_format=file_format, now=clock.now(), actor=request.user)


def _filter(request: StaffRequest) -> OutcomeFilter:
    return OutcomeFilter(request.GET, is_by_name=request.user.has_perm("loyalty.view_member"))


def _page(request: StaffRequest, run: MassAssignment, wanted: Wanted) -> audiences.Page:
    after = whole_number.read(request.GET.get("after")) or 0
    return audiences.page(run=run, now=clock.now(), wanted=wanted, after=after)


def _query(request: StaffRequest) -> str:
    """Return the filters as they stand in the address, for the next page and for the files."""
    query = request.GET.copy()
    query.pop("after", None)
    return query.urlencode()
