"""The member's own pages: her list, an offer of it, accepting and declining one (S0-12, S0-13, C-05)."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from django_htmx.middleware import HtmxDetails

from loyalty import clock
from loyalty.errors import NotFound
from loyalty.models import Member
from loyalty.services import member_session
from offers import rules
from offers.selectors import member_offers, offer_products, promotion_enrolment
from offers.services import assignment_verbs, closing
from offers.services.verb import By
from offers.views import member_sign_in

View = Callable[..., HttpResponse]


class MemberRequest(HttpRequest):
    """A request as a member's page sees it (for annotations only)."""

    member: Member
    is_looking_on: bool
    htmx: HtmxDetails


REFUSALS = {
    "expired": gettext_lazy("This offer is over."),
    "used_up": gettext_lazy("You have used this offer."),
    "closed": gettext_lazy("This offer is closed."),
    "revoked": gettext_lazy("This offer is no longer yours."),
    "waiting_for_till": gettext_lazy("This offer is still being prepared. Try again in a few minutes."),
    "not_required": gettext_lazy("This offer is active already."),
}


def as_member(view: View) -> View:
    """Let a signed-in member in, in her language and time zone; everyone else is told how to sign in."""

    @wraps(view)
    def answer(request: MemberRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        moment = clock.now()
        session = member_session.read(session=request.session, now=moment)
        member = None
        if session is not None:
            members = Member.objects.select_related("programme").filter(status=Member.Status.ACTIVE)
            member = members.filter(pk=session.member_id, programme_id=session.programme_id).first()
        if session is None or member is None:
            return member_sign_in.page(request, now=moment)
        request.member = member
        request.is_looking_on = session.actor_id is not None
        with translation.override(_language(request, member)), timezone.override(_zone(member)):
            try:
                response = view(request, *args, now=moment, **kwargs)
            except NotFound:
                response = render(request, "rewards/not_found.html", shared(request), status=404)
        # Nobody who uses the phone after her finds her codes.
        patch_cache_control(response, private=True, no_store=True)
        return response

    return answer


@require_safe
@as_member
def offers(request: MemberRequest, *, now: Any) -> HttpResponse:
    """The list: one for both kinds, hers above those for everyone (D-15)."""
    found = member_offers.listed(**_asking(request), now=now)
    for item in found.items:
        item["benefit"] = orjson.loads(item["benefit"]) if item["benefit"] else None
        item["personal"] = orjson.loads(item["personal"]) if item["personal"] else None
    return render(
        request,
        "rewards/offers.html",
        shared(request)
        | {
            "hers": [item for item in found.items if item["is_personal"]],
            "everyones": [item for item in found.items if not item["is_personal"]],
            "promotions": _promotions(request),
            "currency": found.currency,
            "now": now,
        },
    )


@require_safe
@as_member
def offer(request: MemberRequest, offer_id: UUID, *, now: Any) -> HttpResponse:
    """One offer; what it shows counts as seen, its code as exposed, before it is shown (D-10)."""
    try:
        context = _detail(request, offer_id, now=now)
    except NotFound as error:
        if error.code != "replaced":
            raise
        # One hop: the address that she has leads to what she holds instead (B-06).
        return redirect("rewards-offer", offer_id=error.details["replaced_by"])
    return render(request, "rewards/offer.html", context)


@require_POST
@as_member
def accept(request: MemberRequest, offer_id: UUID, *, now: Any) -> HttpResponse:
    """Accept, and answer with the part of the page that changes: the card in the list, or the offer's own."""
    asked = _asking(request)
    member_offers.detail(**asked, offer_id=offer_id, now=now)
    refusal = ""
    if request.is_looking_on:
        refusal = _("You only look on: nothing was changed.")
    else:
        answer = assignment_verbs.accept(member_id=asked["member_id"], assignment_id=offer_id, now=now)
        if not answer.is_accepted:
            refusal = str(REFUSALS.get(answer.code, REFUSALS["not_required"]))
    if not request.htmx:
        return redirect("rewards-offer", offer_id=offer_id)
    if request.htmx.target == "offer":
        return render(request, "rewards/_offer.html", _detail(request, offer_id, now=now) | {"refusal": refusal})
    found = member_offers.detail(**asked, offer_id=offer_id, now=now)
    item = {name: getattr(found, name) for name in found.__slots__} | {
        "benefit": found.terms.get("benefit"),
        "personal": found.terms.get("personal"),
    }
    shown = {"item": item, "currency": found.currency, "now": now, "refusal": refusal, "is_answer": True}
    return render(request, "rewards/_card.html", shared(request) | shown)


@require_POST
@as_member
def decline(request: MemberRequest, offer_id: UUID, *, now: Any) -> HttpResponse:
    """Decline an offer that is hers, and answer with what is left of its page; again changes nothing."""
    asked = _asking(request)
    found = member_offers.detail(**asked, offer_id=offer_id, now=now)
    refusal = ""
    if request.is_looking_on:
        refusal = _("You only look on: nothing was changed.")
    elif not found.is_personal:
        refusal = _("This offer is for everyone, so there is nothing to decline.")
    else:
        answer = closing.decline(
            programme=request.member.programme,
            member_id=asked["member_id"],
            assignment_id=offer_id,
            by=By(),
            now=now,
        )
        if not answer.is_closed:
            refusal = str(REFUSALS[answer.code])
    if not request.htmx:
        return redirect("rewards-offer", offer_id=offer_id)
    return render(request, "rewards/_offer.html", _detail(request, offer_id, now=now) | {"refusal": refusal})


def _detail(request: MemberRequest, offer_id: UUID, *, now: Any) -> dict[str, Any]:
    asked = _asking(request)
    found = member_offers.detail(**asked, offer_id=offer_id, now=now)
    code = None
    if found.is_personal and not request.is_looking_on:
        if found.seen_at is None:
            assignment_verbs.mark_seen(member_id=found.member_id, assignment_id=found.id, now=now)
        if found.has_code and found.status == "usable":
            code = assignment_verbs.expose(member_id=found.member_id, assignment_id=found.id, now=now)
    explained = rules.explain(found.terms, currency=found.currency, zone=found.programme_zone)
    # Said elsewhere: the period with its own dates, acceptance by the button, the products by their list, and the
    # benefit in the title unless it has a ceiling.
    benefit = found.terms.get("benefit") or {}
    elsewhere = {"validity", "acceptance", "products"} | (set() if benefit.get("maximum_minor") else {"benefit"})
    sentences = [line for line in explained if line.rule not in elsewhere]
    return shared(request) | {
        "offer": found,
        "benefit": benefit,
        "personal": found.terms.get("personal"),
        "currency": found.currency,
        "code": code,
        "sentences": sentences,
        "products": offer_products.products(programme_id=asked["programme_id"], terms=found.terms),
        "now": now,
    }


def _promotions(request: MemberRequest) -> list[promotion_enrolment.Held]:
    """Return what she may choose from, where her programme has offers (S4-41)."""
    member = request.member
    return promotion_enrolment.of_member(member=member) if member.programme.offers_enabled else []


def shared(request: MemberRequest) -> dict[str, Any]:
    """Return what every page of a signed-in member shows."""
    member = request.member
    return {"member": member, "brand": member.programme, "is_looking_on": request.is_looking_on}


def _asking(request: MemberRequest) -> dict[str, Any]:
    member = request.member
    preferred = [member.language, translation.get_language() or ""]
    return {
        "member_id": member.pk,
        "programme_id": member.programme_id,
        "languages": [language for language in preferred if language],
    }


def _language(request: HttpRequest, member: Member) -> str:
    known = dict(settings.LANGUAGES)
    return member.language if member.language in known else translation.get_language_from_request(request)


def _zone(member: Member) -> Any:
    return member.timezone or member.programme.timezone
