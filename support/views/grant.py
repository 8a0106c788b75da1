"""Granting: a panel over the member's page, and the same as a page of its own (SCREENS, "Granting")."""

import json
import uuid
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, retarget

from loyalty import clock, staff, toasts, whole_number
from loyalty.errors import Conflict
from loyalty.models import Member
from offers.models import OfferTemplate
from offers.models.outcome import OUTCOME_SENTENCES
from offers.services.door import Preview
from support.forms.grant import WhyForm, rules_form, why_form
from support.selectors import assignment as assignments
from support.selectors import grant as selectors
from support.selectors import member as members
from support.selectors import weighing
from support.services import grant as service

PERMISSIONS = ("loyalty.view_member", "offers.view_offertemplate", "offers.grant_assignment")
REFERENCES = "grant_references"
# References of forms that were opened and never sent; older ones are forgotten.
MOST_REFERENCES = 20


@require_http_methods(["GET", "HEAD", "POST"])
@staff.required(*PERMISSIONS)
def grant(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Show the choice of offers, or the form of the chosen one; take the form when it is sent."""
    member = members.get(programme=request.programme, member_id=member_id)
    template = _chosen(request)
    if template is None:
        context = {
            "member": member,
            "templates": selectors.choices(programme=request.programme, user=request.user),
            "text": "",
        }
        return _shown(request, context)
    if request.method != "POST":
        forms = {
            "rules": rules_form(template),
            "why": why_form(request.programme, reference=_reference(request, member, template)),
        }
        return _shown(request, _context(request, member, template, forms))
    forms = {"rules": rules_form(template, request.POST), "why": why_form(request.programme, request.POST)}
    # Each of them, so that all problems are shown at once.
    valid = [form.is_valid() for form in forms.values()]
    if not all(valid):
        return _shown(request, _context(request, member, template, forms), status=422)
    return _granted(request, member, template, forms)


@require_safe
@staff.required(*PERMISSIONS)
def choices(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return the offers whose names hold what was typed."""
    member = members.get(programme=request.programme, member_id=member_id)
    text = request.GET.get("text", "")[:100]
    found = selectors.choices(programme=request.programme, user=request.user, text=text)
    return render(request, "support/_grant_choices.html", {"member": member, "templates": found, "text": text})


@require_POST
@staff.required(*PERMISSIONS)
def preview(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return what the form as it stands would do; writes nothing."""
    member = members.get(programme=request.programme, member_id=member_id)
    template = _chosen(request)
    if template is None:
        return HttpResponse(status=204)
    forms = {"rules": rules_form(template, request.POST), "why": why_form(request.programme, request.POST)}
    return render(request, "support/_grant_preview.html", _context(request, member, template, forms))


def _granted(
    request: staff.StaffRequest, member: Member, template: OfferTemplate, forms: dict[str, Any]
) -> HttpResponse:
    name = _name(template)
    try:
        answer = service.grant(
            member=member,
            template=template,
            terms=forms["rules"].terms,
            reference=forms["why"].cleaned_data["reference"],
            why=forms["why"].why(),
            actor=request.user,
            now=clock.now(),
        )
    except Conflict as error:
        _renew(request, member, template, forms)
        return _shown(
            request,
            _context(request, member, template, forms) | {"refusal": _refusal(error.code, [error.message])},
            409,
        )
    _forget(request, member, template)
    outcome = answer.outcome
    if answer.request is not None and answer.request.assignment_id is None:
        return _asked(request, member, template, answer)
    if not outcome.is_assigned:
        said = [reason.message for reason in outcome.reasons if reason.message]
        _renew(request, member, template, forms)
        context = _context(request, member, template, forms) | {"refusal": _refusal(outcome.code, said)}
        return _shown(request, context, status=409)
    undo = reverse("support:undo", args=[member.pk, outcome.assignment_id])
    text = _("Granted %(offer)s to %(member)s.") % {"offer": name, "member": member}
    if answer.is_replayed:
        text = _("%(offer)s was granted already: this form was sent twice. It counts once.") % {"offer": name}
    if _is_own_page(request):
        toasts.say(request, text, undo=undo)
        return _to_member(request, member)
    if template.config_offer.require_vouchers and request.user.has_perm("offers.see_voucher_code"):
        # Its code is read out next: the panel stays for that (D-10).
        context = {"member": member, "text": text, "assignment_id": outcome.assignment_id}
        done: HttpResponse = render(request, "support/_grant_done.html", context)
    else:
        done = retarget(HttpResponse(""), "#panel")
    # The page's own part renews itself.
    done.headers["HX-Trigger"] = json.dumps({"laurel:granted": str(outcome.assignment_id)})
    return toasts.trigger(done, text, undo=undo)


def _asked(
    request: staff.StaffRequest, member: Member, template: OfferTemplate, answer: service.Answer
) -> HttpResponse:
    """Say that it waits for a second person, or, of a form that was sent before, what became of it."""
    asked = answer.request
    words = {"offer": _name(template), "member": member}
    text = _("Asked for %(offer)s for %(member)s. It waits for a second person; nothing is given yet.") % words
    if asked is not None and asked.state != asked.State.WAITING:
        words["state"] = asked.get_state_display()
        text = _("%(offer)s for %(member)s was asked for before, and %(state)s. Open a new form to ask again.") % words
    elif answer.is_replayed:
        text = _("%(offer)s for %(member)s was asked for already. It waits for a second person.") % words
    if _is_own_page(request):
        toasts.say(request, text, level="info")
        return _to_member(request, member)
    done = retarget(HttpResponse(""), "#panel")
    done.headers["HX-Trigger"] = json.dumps({"laurel:granted": ""})
    return toasts.trigger(done, text, level="info")


def _to_member(request: staff.StaffRequest, member: Member) -> HttpResponse:
    page = reverse("support:member", args=[member.pk])
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page)


def _shown(request: staff.StaffRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    # Inside the open panel, or the page, only the body is exchanged.
    if request.htmx and request.htmx.target == "grant-body":
        page = "support/_grant_body.html"
    else:
        page = "support/_grant_panel.html" if request.htmx else "support/grant.html"
    return render(request, page, context, status=status)


def _is_own_page(request: staff.StaffRequest) -> bool:
    """Say whether the form stands on its own page rather than in the panel over the member's."""
    return not request.htmx or (request.htmx.current_url_abs_path or "").partition("?")[0] == request.path


def _chosen(request: staff.StaffRequest) -> OfferTemplate | None:
    key = whole_number.read(request.POST.get("template") or request.GET.get("template"))
    if key is None:
        return None
    return selectors.get(programme=request.programme, user=request.user, template_id=key)


def _context(
    request: staff.StaffRequest, member: Member, template: OfferTemplate, forms: dict[str, Any]
) -> dict[str, Any]:
    """Return what the form's page shows, the preview of it as it stands included."""
    rules = forms["rules"]
    revision, programme = selectors.revision(template=template), template.config_offer.programme
    # A new form is looked at through the values it begins with.
    given = rules.terms if rules.is_bound and rules.is_valid() else _initial(template)
    is_shown = not rules.is_bound or rules.is_valid()
    try:
        seen = service.preview(member=member, template=template, terms=given, now=clock.now()) if is_shown else None
        refusal = None
        if seen and seen.code != "assigned":
            refusal = _refusal(seen.code, [reason.message for reason in seen.reasons if reason.message])
    except Conflict as error:
        seen, refusal = None, _refusal(error.code, [error.message])
    terms = []
    if seen and seen.code not in {"missing_rule", "invalid_value"}:
        terms = assignments.explained(
            base=revision.terms, given=given, currency=programme.currency, zone=programme.zone
        )
    return {
        "weight": _weight(request, member, template, forms["why"], seen) if seen and not refusal else None,
        "member": member,
        "template": template,
        "name": _name(template),
        "revision": revision,
        "preview": seen,
        "terms": terms,
        "refusal": refusal,
        "has_problems": not is_shown,
        **forms,
    }


def _weight(
    request: staff.StaffRequest, member: Member, template: OfferTemplate, why: WhyForm, seen: Preview
) -> weighing.Weight:
    """Return what stands beside the grant as it is filled in, whatever is still missing."""
    return weighing.weigh(
        agent=request.user,
        member=member,
        offer_id=template.config_offer_id,
        exposure_minor=seen.exposure_minor,
        ticket=(why.data.get("ticket") or "")[:60],
        reason=(why.data.get("reason") or "")[:40],
        now=clock.now(),
    )


def _initial(template: OfferTemplate) -> dict[str, Any]:
    own = selectors.revision(template=template).terms
    return {kind: own[kind] for kind in template.required_rules if kind in own}


def _refusal(code: str, said: list[str]) -> dict[str, Any]:
    return {"code": code, "sentences": said or [OUTCOME_SENTENCES.get(code, _("It cannot be granted now."))]}


def _name(template: OfferTemplate) -> str:
    return selectors.revision(template=template).name


def _reference(request: staff.StaffRequest, member: Member, template: OfferTemplate) -> uuid.UUID:
    """Return the reference of this person's open form for the member and template: the same one in every tab."""
    key = f"{member.pk} {template.pk}"
    known = request.session.get(REFERENCES, {})
    if key not in known:
        known = dict(list(known.items())[-MOST_REFERENCES + 1 :]) | {key: str(uuid.uuid4())}
        request.session[REFERENCES] = known
    return uuid.UUID(known[key])


def _renew(request: staff.StaffRequest, member: Member, template: OfferTemplate, forms: dict[str, Any]) -> None:
    """Give the refused form a fresh reference: the refusal was the old one's answer, the next attempt is another."""
    _forget(request, member, template)
    forms["why"].data = forms["why"].data.copy()
    forms["why"].data["reference"] = str(_reference(request, member, template))


def _forget(request: staff.StaffRequest, member: Member, template: OfferTemplate) -> None:
    """Let the next form be another grant; one that is still open in a tab keeps its reference."""
    known = request.session.get(REFERENCES, {})
    request.session[REFERENCES] = {key: value for key, value in known.items() if key != f"{member.pk} {template.pk}"}
