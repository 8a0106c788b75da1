"""A member's page as of a past moment: what she held then, and what had happened by then. Nothing can be done there."""

from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render

from loyalty import staff
from loyalty.models import Member, Purchase
from loyalty.selectors import consent
from support.forms import as_of as forms
from support.selectors import as_of as selectors
from support.selectors import purchase as purchases
from support.views import timeline


def page(request: staff.StaffRequest, member: Member, now: datetime) -> HttpResponse:
    """Show the member as of the moment in the address. Raises InvalidInput for what is none, or is to come."""
    at = forms.read(request.GET["as_of"], zone=request.programme.zone, now=now)
    then = selectors.then(member=member, at=at)
    receipts: list[Purchase] = []
    if request.user.has_perm("loyalty.view_purchase"):
        receipts, _has_more = purchases.receipts(member=member, until=at)
    context = {
        "now": at,
        "at": at,
        "at_local": at.astimezone(request.programme.zone).strftime("%Y-%m-%dT%H:%M"),
        "current": then.current,
        "past": then.past,
        "receipts": receipts,
        "consents": consent.as_of(member=member, at=at),
        **timeline.context(request, member, until=at),
    }
    return render(request, "support/member_as_of.html", context)
