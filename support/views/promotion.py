"""A member's personalized promotions on her page: chosen for her on the phone, withdrawn, given back (S2-11)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from loyalty import clock, staff, toasts, whole_number
from loyalty.errors import DomainError, NotFound
from loyalty.models import Member
from offers.models import PromotionEnrolment, Source
from offers.services import promotion_choice, promotion_enrolment
from offers.services.verb import By
from support import member_sections
from support.selectors import member as members

PERMISSIONS = ("loyalty.view_member", "offers.view_promotionenrolment", "offers.choose_promotion_products")


@require_POST
@staff.required(*PERMISSIONS)
def choose(request: staff.StaffRequest, member_id: int, promotion_pk: int) -> HttpResponse:
    """Choose for the member what she says on the phone; the event and the audit name who did."""
    held = _find(request, member_id, promotion_pk)
    try:
        promotion_choice.choose(
            enrolment=held,
            products=request.POST.getlist("product"),
            seen=whole_number.read(request.POST.get("revision")),
            by=By(Source.SUPPORT, actor=request.user),
            now=clock.now(),
        )
    except DomainError as error:
        return _answer(request, held, refusals=[one["message"] for one in error.problems] or [error.message])
    return _answer(request, held, said=_("Chosen for %(member)s.") % {"member": held.member})


@require_POST
@staff.required(*PERMISSIONS)
def withdraw(request: staff.StaffRequest, member_id: int, promotion_pk: int) -> HttpResponse:
    """Take the promotion from the member; undone for ten seconds."""
    held, now = _find(request, member_id, promotion_pk), clock.now()
    try:
        done = promotion_enrolment.withdraw(
            promotion=held.promotion,
            members=[held.member.external_id],
            by=By(Source.SUPPORT, actor=request.user),
            now=now,
        )
    except DomainError as error:
        return _answer(request, held, refusals=[error.message])
    words = {"promotion": held.promotion.name, "member": held.member}
    if not done.withdrawn:
        return _answer(request, held, said=_("“%(promotion)s” was withdrawn before.") % words)
    undo = reverse("support:promotion_restore", args=[member_id, promotion_pk])
    said = _("Withdrew “%(promotion)s” from %(member)s.") % words
    return _answer(request, held, said=said, undo=f"{undo}?{urlencode({'at': now.isoformat()})}")


@require_POST
@staff.required(*PERMISSIONS)
def restore(request: staff.StaffRequest, member_id: int, promotion_pk: int) -> HttpResponse:
    """Undo the withdrawal of that moment, with her choice as it was."""
    held = _find(request, member_id, promotion_pk)
    by, moment = By(Source.SUPPORT, actor=request.user), _moment(request)
    try:
        promotion_enrolment.restore(enrolment=held, withdrawn_at=moment, by=by, now=clock.now())
    except DomainError as error:
        return _answer(request, held, refusals=[error.message])
    return _answer(request, held, said=_("Undone: she has “%(promotion)s” again.") % {"promotion": held.promotion.name})


def _find(request: staff.StaffRequest, member_id: int, promotion_pk: int) -> PromotionEnrolment:
    member = members.get(programme=request.programme, member_id=member_id)
    found = PromotionEnrolment.objects.filter(member=member, promotion_id=promotion_pk)
    held = found.select_related("promotion__programme", "product_list", "member__programme").first()
    if held is None:
        raise NotFound(_("She was never enlisted in this promotion."))
    return held


def _moment(request: staff.StaffRequest) -> datetime:
    try:
        moment = parse_datetime(request.GET.get("at", ""))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise NotFound(_("There is nothing to undo."))
    return moment


def _answer(
    request: staff.StaffRequest,
    held: PromotionEnrolment,
    *,
    said: str = "",
    undo: str = "",
    refusals: Sequence[str] = (),
) -> HttpResponse:
    """Answer with her promotions as they are now: to htmx the part, to a plain form the page with a toast."""
    if not request.htmx:
        toasts.say(request, said or " ".join(refusals), level="error" if refusals else "success", undo=undo)
        return redirect(f"{reverse('support:member', args=[held.member_id])}?tab=loyalty")
    answer = render(
        request,
        "support/_member_promotions.html",
        _context(held.member) | {"refusals": refusals, "refused": held.promotion_id if refusals else None},
        status=422 if refusals else 200,
    )
    return toasts.trigger(answer, said, undo=undo) if said else answer


def _context(member: Member) -> dict[str, Any]:
    data = member_sections.PROMOTIONS.select(member, clock.now())
    return {"member": member, "data": data, "count": member_sections.PROMOTIONS.count(data)}
