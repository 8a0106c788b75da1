"""“Why doesn’t she have …?”: a panel over the member’s page, and a page with an address of its own (B-02)."""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from loyalty import clock, staff, whole_number
from loyalty.errors import NotFound
from loyalty.models import Member, User
from offers.models import Source
from offers.selectors import explanation_subject as subjects
from offers.selectors.explanation import Waiting
from offers.selectors.explanation_subject import Subject
from offers.services import explanation as service
from offers.services.explanation import Explanation, Sees
from offers.services.verb import By
from support.selectors import grant as grants
from support.selectors import grant_batch, grant_request
from support.selectors import member as members

PERMISSIONS = ("loyalty.view_member", "offers.view_assignment", "offers.view_configoffer")
LONGEST = 200


@dataclass(frozen=True)
class Button:
    """What can be done next: a sentence, and where it is done if this person may."""

    code: str
    text: str
    url: str = ""
    is_panel: bool = False


@require_safe
@staff.required(*PERMISSIONS)
def explain(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Ask which offer is meant, or say why she does not have, see or use it. Each answer is noted in the audit."""
    member = members.get(programme=request.programme, member_id=member_id)
    text = request.GET.get("offer", "").strip()[:LONGEST]
    subject = _subject(request, text)
    if subject is None:
        context = {"member": member, "choices": subjects.choices(member=member), "text": ""}
        return _shown(request, context)
    now = clock.now()
    found = service.explain(
        member=member,
        subject=subject,
        sees=Sees(
            clauses=request.user.has_perm("offers.explain_targeting"),
            runs=request.user.has_perm("offers.view_massassignment"),
        ),
        by=By(Source.SUPPORT, request.user),
        waiting=_waiting(member, subject, request.user, now),
        now=now,
    )
    context = {"member": member, "found": found, "text": text, "buttons": _buttons(found, member, request.user)}
    return _shown(request, context)


@require_safe
@staff.required(*PERMISSIONS)
def choices(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return the offers whose names hold what was typed, hers first."""
    member = members.get(programme=request.programme, member_id=member_id)
    text = request.GET.get("offer", "").strip()[:LONGEST]
    context = {"member": member, "choices": subjects.choices(member=member, text=text), "text": text}
    return render(request, "support/_explain_choices.html", context)


def _subject(request: staff.StaffRequest, text: str) -> Subject | None:
    template_id = whole_number.read(request.GET.get("template"))
    if template_id is not None:
        return subjects.by_id(programme=request.programme, template_id=template_id)
    if not text:
        return None
    try:
        return subjects.find(programme=request.programme, text=text)
    except subjects.UnknownOffer:
        # What names no offer was read off something that she has in her hand.
        return subjects.by_code(programme=request.programme, code=text)


def _waiting(member: Member, subject: Subject, user: User, now: datetime) -> list[Waiting]:
    """Return what waits of the offer for her, alone or in a set, with its address where the person may open it."""
    if subject.offer is None:
        return []
    found = [
        Waiting(one.asked_at, str(one.asked_by), reverse("support:grant_request", args=[one.pk]), one.terms)
        for one in grant_request.of_offer(member=member, offer_id=subject.offer.pk, now=now)
    ]
    for batch in grant_batch.of_offer(member=member, offer_id=subject.offer.pk, now=now):
        is_seen = grant_batch.is_seen_by(batch=batch, user=user)
        url = reverse("support:grant_batch", args=[batch.pk]) if is_seen else ""
        found.append(Waiting(batch.asked_at, str(batch.asked_by), url, batch.terms))
    return sorted(found, key=attrgetter("asked_at"))


def _shown(request: staff.StaffRequest, context: dict[str, Any]) -> HttpResponse:
    # Inside the open panel, or the page, only the body is exchanged.
    if request.htmx and request.htmx.target == "explain-body":
        page = "support/_explain_body.html"
    else:
        page = "support/_explain_panel.html" if request.htmx else "support/explain.html"
    return render(request, page, context)


def _buttons(found: Explanation, member: Member, user: User) -> list[Button]:
    """Return what can be done next, as links where the person may do it; what she may not do is still said."""
    made = []
    offer = found.offer
    for action in found.actions:
        one = reverse("support:assignment", args=[action.assignment_id]) if action.assignment_id else ""
        places: dict[str, tuple[str, str]] = {
            "open": ("offers.view_assignment", one),
            "open_successor": ("offers.view_assignment", one),
            "extend": ("offers.extend_assignment", f"{one}?do=extend"),
            "reissue": ("offers.reissue_assignment", f"{one}?do=reissue"),
            "grant": (
                "offers.grant_assignment",
                f"{reverse('support:grant', args=[member.pk])}?template={action.template_id}",
            ),
            "open_waiting": ("", action.url),
            "ask_again": ("", reverse("support:explain", args=[member.pk])),
        }
        if offer is not None:
            places |= {
                "open_offer": ("offers.view_configoffer", reverse("offers:offer", args=[offer.pk])),
                "look_at_limits": ("offers.set_limits", reverse("offers:offer_limits", args=[offer.pk])),
            }
            if hasattr(offer, "voucher_bank"):
                bank = reverse("offers:voucher_bank", args=[offer.voucher_bank.pk])
                places["import_codes"] = ("offers.import_vouchers", bank)
        if action.run_id is not None:
            places["open_run"] = ("offers.view_massassignment", reverse("offers:run", args=[action.run_id]))
        permission, url = places.get(action.code, ("", ""))
        is_allowed = not permission or user.has_perm(permission)
        text = action.text
        if action.code == "grant" and is_allowed and not _is_her_roles(action.template_id, member, user):
            is_allowed, text = False, _("Another role grants it to her")
        made.append(Button(action.code, text, url if is_allowed else "", action.code == "grant"))
    return made


def _is_her_roles(template_id: int | None, member: Member, user: User) -> bool:
    """Say whether one of the person's roles may grant the template: else its panel would not be there."""
    if template_id is None:
        return False
    try:
        grants.get(programme=member.programme, user=user, template_id=template_id)
    except NotFound:
        return False
    return True
