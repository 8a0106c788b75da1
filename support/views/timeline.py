"""The timeline on a member's page: filtered by kind and by offer, both in the address."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from loyalty import clock, staff, whole_number
from loyalty.errors import InvalidInput
from loyalty.models import Member
from support.forms import as_of
from support.selectors import member as members
from support.selectors import timeline as selectors
from support.services import member as member_service

# A bound: the merged timeline reads all pages before the one that is asked for.
MOST_PAGES = 200
# A form says nothing of boxes that are not ticked: the filter's sends this along, so that none is not "not asked".
NO_KIND = ""


@require_safe
@staff.required("loyalty.view_member")
def timeline(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return a page of what happened, of the chosen kinds and offer; the browser's address follows."""
    member = members.get(programme=request.programme, member_id=member_id)
    until = now = clock.now()
    member_service.record_opening_once(member=member, actor=request.user, now=now)
    if text := request.GET.get("as_of"):
        try:
            until = as_of.read(text, zone=request.programme.zone, now=now)
        except InvalidInput as error:
            return HttpResponse(error.message, status=error.status, content_type="text/plain")
    page = min(whole_number.read(request.GET.get("page"), most=99_999) or 1, MOST_PAGES)
    given = context(request, member, until=until, page=page)
    shown = render(request, "support/_member_timeline.html", given)
    if not request.htmx or page > 1:
        return shown
    address = reverse("support:member", args=[member.pk])
    return push_url(shown, f"{address}?{given['query']}" if given["query"] else address)


def context(request: staff.StaffRequest, member: Member, *, until: datetime, page: int = 1) -> dict[str, Any]:
    """Return what the timeline's part shows, as the address asks for it."""
    kinds = selectors.KINDS
    allowed = [name for name, kind in kinds.items() if not kind.permission or request.user.has_perm(kind.permission)]
    usual = [name for name in allowed if not kinds[name].is_quiet]
    chosen = _chosen(request.GET.getlist("kind"), allowed, usual)
    offers = selectors.offers(member=member)
    offer_id = whole_number.read(request.GET.get("offer"))
    if offer_id not in {offer.pk for offer in offers}:
        offer_id = None
    entries, has_older = selectors.timeline(member=member, until=until, kinds=chosen, offer_id=offer_id, page=page)
    asked: list[tuple[str, Any]] = [("offer", offer_id)] if offer_id else []
    asked += [("as_of", request.GET["as_of"])] if request.GET.get("as_of") else []
    of_kinds = [("kind", name) for name in chosen or [NO_KIND]] if chosen != usual else []
    return {
        "member": member,
        "entries": entries,
        "has_older": has_older,
        "kinds": {name: kinds[name].label for name in allowed},
        "chosen": chosen,
        "offers": offers,
        "offer_id": offer_id,
        "page": page,
        "query": urlencode([*of_kinds, *asked]),
        "query_of_all": urlencode(asked),
        "as_of": request.GET.get("as_of", ""),
    }


def _chosen(given: Sequence[str], allowed: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Return the kinds of the address: the usual ones where it names none that there is, none where it says so."""
    named = [name for name in allowed if name in given]
    is_none_meant = bool(given) and all(name == NO_KIND for name in given)
    return named if named or is_none_meant else list(usual)
