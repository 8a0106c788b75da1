"""The limits of an offer and of a campaign: what is set, used and left, and setting them (D-05, B-14)."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from loyalty import clock, toasts
from loyalty.errors import DomainError
from loyalty.staff import StaffRequest
from offers.forms.limit import LimitForm
from offers.models import Audience, Campaign, ConfigOffer, Limit
from offers.selectors import campaign as campaigns
from offers.selectors import limit as selectors
from offers.services import limit_settings
from offers.views.access import staff


@require_http_methods(["GET", "HEAD", "POST"])
@staff("offers.view_configoffer", "offers.set_limits")
def of_offer(request: StaffRequest, pk: int) -> HttpResponse:
    """Show and set the limits of an offer."""
    found = ConfigOffer.objects.select_related("programme").filter(programme=request.programme)
    owner = get_object_or_404(found.filter(audience=Audience.PERSONALIZED), pk=pk)
    return _form(request, owner, page=reverse("offers:offer", args=[pk]))


@require_http_methods(["GET", "HEAD", "POST"])
@staff("offers.view_campaign", "offers.set_limits")
def of_campaign(request: StaffRequest, pk: int) -> HttpResponse:
    """Show and set the limits of a campaign."""
    owner = get_object_or_404(campaigns.campaigns(programme=request.programme), pk=pk)
    return _form(request, owner, page=reverse("offers:campaign", args=[pk]))


def _form(request: StaffRequest, owner: ConfigOffer | Campaign, *, page: str) -> HttpResponse:
    limit = _limit(owner)
    # What the page showed: whoever set others meanwhile is not overwritten unseen.
    seen = request.POST.get("version") or limit_settings.version(limit)
    form = LimitForm(request.POST if request.method == "POST" else None, owner=owner, limit=limit)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                made = limit_settings.put(
                    owner=owner, values=form.values(), actor=request.user, now=clock.now(), seen=seen
                )
            except limit_settings.Changed as error:
                status, now_set = error.status, _limit(owner)
                seen = limit_settings.version(now_set)
                form.add_problems(_changes(owner, form.values(), now_set))
            except DomainError as error:
                status = error.status
                form.add_problems(error.problems or [{"field": "", "message": error.message}])
            else:
                is_counting = made is not None and not made.is_in_force
                in_force, counting = _("Saved. The limits are in force."), _("Saved. What was given is being counted.")
                toasts.say(request, counting if is_counting else in_force)
                return redirect(page)
    context: dict[str, Any] = {
        "owner": owner,
        "is_offer": isinstance(owner, ConfigOffer),
        "page": page,
        "form": form,
        "version": seen,
        "usage": selectors.of(owner, now=clock.now()),
        "limit_history": selectors.history(owner),
    }
    return render(request, "offers/limits.html", context, status=status)


def _limit(owner: ConfigOffer | Campaign) -> Limit | None:
    return Limit.objects.filter(**{"config_offer" if isinstance(owner, ConfigOffer) else "campaign": owner}).first()


def _changes(owner: ConfigOffer | Campaign, typed: Mapping[str, Any], limit: Limit | None) -> list[dict[str, Any]]:
    """Say what is set by now, at each field where something else was typed."""
    told = _(
        "The limits were changed since you opened this page. What is set now stands below the fields that differ. "
        "Save again to replace it by what you typed."
    )
    message = _("Set now: %(value)s.")
    now_set = {name: getattr(limit, name) if limit else None for name in limit_settings.NUMBERS}
    now_set["is_budget_hard"] = limit.is_budget_hard if limit else True
    return [{"field": "", "message": told}] + [
        {"field": name, "message": message % {"value": selectors.shown(name, now_set[name], owner.programme.currency)}}
        for name, value in typed.items()
        if value != now_set[name]
    ]
