"""Whom an offer may be given to: everyone, a saved audience, or conditions built on the spot (S0-02)."""

from typing import Any

import orjson
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from loyalty import toasts, whole_number
from loyalty.errors import DomainError, InvalidInput
from loyalty.staff import StaffRequest
from offers.models import Audience, ConfigOffer, Targeting
from offers.selectors import eligibility as selectors
from offers.selectors import limit as limits
from offers.selectors import targeting as targetings
from offers.services import eligibility_settings
from offers.targeting import naming
from offers.views import targeting_builder
from offers.views.access import staff
from offers.views.targeting_builder import EMPTY, read_criteria

WHO = ("everyone", "audience", "conditions")


@require_http_methods(["GET", "HEAD", "POST"])
@staff("offers.view_configoffer", "offers.view_targeting", "offers.set_eligibility")
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Show and choose whom an offer may be given to; `?targeting=` comes back from the builder with a new audience."""
    found = ConfigOffer.objects.select_related("programme", "eligibility__targeting__current_version")
    offer = get_object_or_404(found, pk=pk, programme=request.programme, audience=Audience.PERSONALIZED)
    given, problems, status = _given(request, offer), [], 200
    if request.method == "POST":
        try:
            _save(request, offer, given)
        except DomainError as error:
            problems, status = error.problems or [{"message": error.message}], error.status
        else:
            toasts.say(request, _("Saved. It holds for whatever is assigned from now on."))
            return redirect("offers:offer", pk)
    context: dict[str, Any] = {
        "offer": offer,
        "given": given,
        "problems": problems,
        "asked": selectors.of(offer),
        "targetings": targetings.saved(request.programme).filter(current_version__isnull=False),
        "builder": targeting_builder.context(request.programme, given["criteria"]),
        "limit_history": [
            each for each in limits.history(offer) if any(c.label == limits.LABELS["eligibility"] for c in each.changes)
        ],
    }
    return render(request, "offers/eligibility.html", context, status=status)


def _given(request: StaffRequest, offer: ConfigOffer) -> dict[str, Any]:
    """Return what stands in the form: what was sent, or what is set."""
    version = offer.eligibility
    is_own = version is not None and version.targeting.config_offer_id is not None
    if request.method == "POST":
        criteria = request.POST.get("criteria", "")
        return {
            "who": request.POST.get("who", ""),
            "targeting": request.POST.get("targeting", ""),
            "criteria": criteria,
        }
    tree = naming.unpinned(version.criteria) if version is not None and is_own else EMPTY
    chosen = request.GET.get("targeting", "")
    who = "everyone" if version is None else "conditions" if is_own else "audience"
    return {
        "who": "audience" if chosen else who,
        "targeting": chosen or (str(version.targeting_id) if version is not None and not is_own else ""),
        "criteria": orjson.dumps(tree, option=orjson.OPT_INDENT_2).decode(),
    }


def _save(request: StaffRequest, offer: ConfigOffer, given: dict[str, Any]) -> None:
    who = given["who"]
    if who not in WHO:
        raise _problem("who", "required", _("Choose whom it may be given to."))
    if who == "conditions":
        eligibility_settings.put_conditions(offer=offer, criteria=read_criteria(request), actor=request.user)
        return
    chosen = None
    if who == "audience":
        chosen = _targeting(request, given["targeting"])
        if chosen is None:
            raise _problem("targeting", "required", _("Choose an audience."))
    eligibility_settings.put(offer=offer, targeting=chosen, actor=request.user)


def _targeting(request: StaffRequest, text: str) -> Targeting | None:
    key = whole_number.read(text)
    return None if key is None else targetings.saved(request.programme).filter(pk=key).first()


def _problem(field: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[{"field": field, "code": code, "message": message}])
