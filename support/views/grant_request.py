"""Grants that wait for a second person: the list, one with everything in view, and deciding about it in place."""

from collections.abc import Callable

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from loyalty import clock, staff, toasts
from loyalty.errors import DomainError, NotFound
from support.models import GrantRequest
from support.selectors import grant_batch as grant_batches
from support.selectors import grant_request as selectors
from support.selectors import member as members
from support.services import grant_request as service


@require_safe
@staff.required("loyalty.view_member", "support.view_grantrequest")
def listing(request: staff.StaffRequest) -> HttpResponse:
    """Show what waits, the oldest first, and what was decided last."""
    context = {
        "waiting": selectors.waiting(programme=request.programme),
        "decided": selectors.decided(programme=request.programme),
        "sets": grant_batches.waiting(programme=request.programme),
    }
    return render(request, "support/grant_requests.html", context)


@require_safe
@staff.required("loyalty.view_member", "offers.view_assignment")
def of_member(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return what waits for one member, for her page."""
    member = members.get(programme=request.programme, member_id=member_id)
    waiting = selectors.of_member(member=member)
    return render(request, "support/_member_requests.html", {"member": member, "waiting": waiting})


@require_safe
@staff.required("loyalty.view_member", "offers.view_assignment")
def detail(request: staff.StaffRequest, request_id: int) -> HttpResponse:
    """Show one with everything in view: within a list, or as a page of its own."""
    asked = selectors.get(programme=request.programme, request_id=request_id)
    found = selectors.view(asked=asked, now=clock.now())
    context = {"asked": asked, "member": asked.member, "found": found}
    page = "support/_grant_request.html" if request.htmx else "support/grant_request.html"
    return render(request, page, context)


@require_POST
@staff.required("loyalty.view_member", "support.view_grantrequest", "support.approve_grantrequest")
def approve(request: staff.StaffRequest, request_id: int) -> HttpResponse:
    """Give what somebody else asked for; a second click finds it done."""
    return _decided(request, request_id, service.approve, _("Approved. It is granted."))


@require_POST
@staff.required("loyalty.view_member", "support.view_grantrequest", "support.approve_grantrequest")
def decline(request: staff.StaffRequest, request_id: int) -> HttpResponse:
    """Refuse what somebody else asked for, with a sentence for her."""
    said = _("Declined. Who asked reads your answer on Home and in the member's timeline.")
    return _decided(request, request_id, service.decline, said, answer=request.POST.get("answer", ""))


@require_POST
@staff.required("loyalty.view_member", "offers.grant_assignment")
def withdraw(request: staff.StaffRequest, request_id: int) -> HttpResponse:
    """Take back one's own wish."""
    return _decided(request, request_id, service.withdraw, _("Withdrawn."))


def _decided(
    request: staff.StaffRequest, request_id: int, act: Callable[..., GrantRequest], said: str, **more: str
) -> HttpResponse:
    try:
        act(programme=request.programme, request_id=request_id, actor=request.user, now=clock.now(), **more)
    except NotFound:
        raise
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, said)
    if request.POST.get("from") == "list":
        return HttpResponseRedirect(reverse("support:grant_requests"))
    member_id = selectors.get(programme=request.programme, request_id=request_id).member_id
    return HttpResponseRedirect(reverse("support:member", args=[member_id]))
