"""A member's personalized promotions on her own pages: she chooses from her list (S2-02, S2-06..08)."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from loyalty import whole_number
from loyalty.errors import DomainError, NotFound
from offers.selectors import promotion_enrolment as selectors
from offers.services import promotion_choice
from offers.services.verb import By
from offers.views.member_offers import MemberRequest, as_member, shared


@require_safe
@as_member
def promotion(request: MemberRequest, promotion_id: UUID, *, now: Any) -> HttpResponse:
    """One promotion: her list, what she chose of it, and whether that may change."""
    return render(request, "rewards/promotion.html", _detail(request, promotion_id))


@require_POST
@as_member
def choose(request: MemberRequest, promotion_id: UUID, *, now: Any) -> HttpResponse:
    """Choose, and answer with the part of the page that changes; a refusal says why in her words."""
    held = _found(request, promotion_id)
    refusal = _("You only look on: nothing was changed.") if request.is_looking_on else ""
    if not refusal:
        try:
            promotion_choice.choose(
                enrolment=held.enrolment,
                products=request.POST.getlist("product"),
                seen=whole_number.read(request.POST.get("revision")),
                by=By(),
                now=now,
            )
        except DomainError as error:
            refusal = _said(error, held)
    if not request.htmx and not refusal:
        return redirect("rewards-promotion", promotion_id=promotion_id)
    context = _detail(request, promotion_id) | {"refusal": refusal, "is_answer": True}
    template = "rewards/_promotion.html" if request.htmx else "rewards/promotion.html"
    return render(request, template, context)


def _found(request: MemberRequest, promotion_id: UUID) -> selectors.Held:
    member = request.member
    if not member.programme.offers_enabled:
        raise NotFound("The programme works without offers.")
    return selectors.of_member_by_id(member_id=member.pk, programme_id=member.programme_id, public_id=promotion_id)


def _detail(request: MemberRequest, promotion_id: UUID) -> dict[str, Any]:
    return shared(request) | {"held": _found(request, promotion_id)}


def _said(error: DomainError, held: selectors.Held) -> str:
    """Say to the member herself why her choice was not taken."""
    if isinstance(error, promotion_choice.ChoiceLocked):
        return _("You have chosen already, and that choice stays.")
    if isinstance(error, promotion_choice.ChoiceChanged):
        return _("You chose something else meanwhile, perhaps in another window. This is your choice now.")
    if any(found["code"] == "too_many" for found in error.problems):
        words = ngettext(
            "Choose at most %(most)d product. Nothing was changed.",
            "Choose at most %(most)d products. Nothing was changed.",
            held.most,
        )
        return words % {"most": held.most}
    if isinstance(error, promotion_choice.InvalidChoice):
        return _("Something on your list changed meanwhile. Look at it, and choose again.")
    return _("Your choice could not be kept just now. Nothing was changed.")
