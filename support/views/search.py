"""The header's search: a dropdown while typing, a page on Enter, the thing itself when there is only one."""

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from loyalty import staff
from support.selectors import search as selectors
from support.selectors.search import Found

IN_DROPDOWN = 8


@require_safe
@staff.required()
def search(request: staff.StaffRequest) -> HttpResponse:
    """Answer a search: part of a page for htmx, the single hit itself, else a page of hits."""
    text = request.GET.get("q", "")
    is_dropdown = bool(request.htmx)
    options = {"limit": IN_DROPDOWN} if is_dropdown else {}
    found = selectors.search(programme=request.programme, user=request.user, text=text, **options)
    context = {"found": found, "text": text.strip()}
    if is_dropdown:
        return render(request, "support/_search_hits.html", context)
    if found.count == 1 and (address := _address(found)):
        return HttpResponseRedirect(address)
    return render(request, "support/search.html", context)


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
