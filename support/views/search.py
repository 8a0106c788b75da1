"""The header's search: a dropdown while typing, a page on Enter, the thing itself when there is only one."""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from loyalty import staff
from loyalty.errors import NotFound
from loyalty.models import Programme
from loyalty.selectors import member as known
from support.selectors import assignment as assignments
from support.selectors import purchase as purchases
from support.selectors import search as selectors
from support.selectors.search import Found
from support.services import member as service

IN_DROPDOWN = 8


@require_safe
@staff.required()
def search(request: staff.StaffRequest) -> HttpResponse:
    """Answer a search: part of a page for htmx, the single hit itself, else a page of hits."""
    text = request.GET.get("q", "")
    is_dropdown = bool(request.htmx)
    options = {"limit": IN_DROPDOWN} if is_dropdown else {}
    found = selectors.search(programme=request.programme, user=request.user, text=text, **options)
    is_opened = not is_dropdown and found.count == 1
    # Opening her page is noted there. In the dropdown a word is many requests: only who was found by how she is
    # reached is noted, because that confirms a number or an address.
    if found.members and not is_opened and (not is_dropdown or found.is_by_contact):
        service.record_search(programme=request.programme, actor=request.user, hits=[hit.why for hit in found.members])
    context = {"found": found, "text": text.strip()}
    if is_dropdown:
        return render(request, "support/_search_hits.html", context)
    if found.count == 1 and (address := _address(found)):
        return HttpResponseRedirect(address)
    return render(request, "support/search.html", context)


@require_safe
@staff.required("loyalty.view_member")
def go(request: staff.StaffRequest) -> HttpResponse:
    """Lead from another system's link to whom or what it names: `?member=`, `?assignment=` or `?receipt=`."""
    for kind, find in TARGETS.items():
        if key := request.GET.get(kind, "").strip():
            may = kind != "receipt" or request.user.has_perm("loyalty.view_purchase")
            if may and (address := find(request.programme, key)):
                return HttpResponseRedirect(address)
            return render(request, "support/go.html", {"kind": kind, "key": key[:200]}, status=404)
    return render(request, "support/go.html", {"kind": "", "key": ""}, status=404)


def _member_page(programme: Programme, external_id: str) -> str:
    try:
        found = known.find(programme=programme, external_id=external_id)
    except NotFound:
        return ""
    return reverse("support:member", args=[found.pk])


def _assignment_page(programme: Programme, key: str) -> str:
    try:
        return reverse("support:assignment", args=[assignments.get(programme=programme, assignment_id=UUID(key)).pk])
    except (NotFound, ValueError):
        return ""


def _receipts_page(programme: Programme, number: str) -> str:
    found = purchases.by_number(programme=programme, number=number)
    return reverse("support:member", args=[found.member_id]) if found else ""


TARGETS: dict[str, Callable[[Programme, str], str]] = {
    "member": _member_page,
    "assignment": _assignment_page,
    "receipt": _receipts_page,
}


def _address(found: Found) -> str:
    """Return where the only hit is; an offer's or run's own page is another app's and may be absent."""
    try:
        if found.members:
            hit = found.members[0]
            page = reverse("support:member", args=[hit.member.pk])
            return f"{page}#offer-{hit.assignment_id}" if hit.assignment_id else page
        if found.offers:
            return reverse("offers:offer", args=[found.offers[0].pk])
        return reverse("offers:run", args=[found.runs[0].pk])
    except NoReverseMatch:
        return ""
