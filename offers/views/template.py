"""Offer templates: list and form, with the form that agents and marketers will get beside it."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from loyalty import clock, toasts
from loyalty.errors import DomainError
from loyalty.listing import Column, Listing
from loyalty.models import Programme
from loyalty.staff import StaffRequest
from offers import rules
from offers.forms.rules import RulesForm
from offers.forms.template import OfferTemplateForm, TemplateFilter
from offers.models import OfferTemplate
from offers.selectors import channel
from offers.selectors import template as selectors
from offers.services import template as service
from offers.views.access import staff

COLUMNS = (
    Column("name", gettext_lazy("Template"), "name"),
    Column("offer", gettext_lazy("Offer"), "config_offer__name"),
    Column("rules", gettext_lazy("Rules that must be given")),
    Column("updated", gettext_lazy("Changed"), "updated_at"),
)


@staff("offers.view_offertemplate")
@require_GET
def templates(request: StaffRequest) -> HttpResponse:
    """List the templates."""
    filters = TemplateFilter(request.GET)
    filters.is_valid()
    given = filters.cleaned_data
    found = selectors.templates(
        programme=request.programme,
        text=given.get("q", ""),
        rule=given.get("rule", ""),
        is_archived={"": False, "archived": True}.get(given.get("state", "")),
    )
    listing = Listing(request, found, columns=COLUMNS, default_sort="name", filters=filters)
    shown = list(listing.page.object_list)
    for template in shown:
        template.rule_labels = _labels(template.required_rules)
    listing.page.object_list = shown
    return render(request, "offers/templates.html", {"listing": listing})


@staff("offers.view_offertemplate", "offers.add_offertemplate")
def create(request: StaffRequest) -> HttpResponse:
    """Make a template; `?offer=` chooses its offer."""
    return _form(request, None)


@staff("offers.view_offertemplate")
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Show a template, and change it where that is allowed."""
    return _form(request, _found(request, pk))


def _form(request: StaffRequest, found: OfferTemplate | None) -> HttpResponse:
    programme: Programme = request.programme
    may_change = found is None or (
        request.user.has_perm("offers.change_offertemplate") and found.archived_at is None and not found.is_default
    )
    is_sent = request.method == "POST" and may_change
    form = OfferTemplateForm(
        request.POST if is_sent else None,
        programme=programme,
        template=found,
        initial={"config_offer": request.GET.get("offer")},
    )
    if is_sent and form.is_valid():
        try:
            if found is None:
                found = service.create(programme=programme, values=form.values(), actor=request.user)
            else:
                service.update(template=found, values=form.values(), actor=request.user)
        except DomainError as error:
            form.add_problems(error.problems or [{"field": "", "message": error.message}])
        else:
            toasts.say(request, _("Saved."))
            return redirect("offers:template", found.pk)
    chosen = form["required_rules"].value() or []
    context = {
        "form": form,
        "template": found,
        "may_change": may_change,
        "sample": _sample(programme, chosen),
        "kinds": [
            {"kind": kind, "label": rule.label, "help": rule.help, "is_on": kind in chosen}
            for kind, rule in rules.KINDS.items()
        ],
        "columns": rules.columns([kind for kind in rules.KINDS if kind in chosen]),
        "roles": [
            {"name": name, "is_on": name in (form["desk_roles"].value() or [])} for name in selectors.desk_roles()
        ],
        "uses": selectors.uses(template=found) if found else None,
    }
    return render(request, "offers/template.html", context, status=422 if is_sent else 200)


@staff("offers.view_offertemplate")
@require_POST
def preview(request: StaffRequest) -> HttpResponse:
    """Return the form that whoever assigns will get, from the rules that are ticked."""
    chosen = [kind for kind in rules.KINDS if kind in request.POST.getlist("required_rules")]
    context = {"sample": _sample(request.programme, chosen), "columns": rules.columns(chosen)}
    return render(request, "offers/_template_preview.html", context)


@staff("offers.view_offertemplate", "offers.change_offertemplate")
@require_POST
def archive(request: StaffRequest, pk: int) -> HttpResponse:
    """Take a template out of use."""
    found = _found(request, pk)
    try:
        service.archive(template=found, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
        return redirect("offers:template", pk)
    toasts.say(request, _("Archived “%(name)s”.") % {"name": found.name})
    return redirect(reverse("offers:templates"))


def _found(request: StaffRequest, pk: int) -> OfferTemplate:
    found = selectors.templates(programme=request.programme)
    return get_object_or_404(found, pk=pk)


def _labels(kinds: list[str]) -> list[Any]:
    return [rules.KINDS[kind].label if kind in rules.KINDS else kind for kind in kinds]


def _sample(programme: Programme, kinds: list[str]) -> RulesForm | None:
    known = [kind for kind in kinds if kind in rules.KINDS]
    if not known:
        return None
    return RulesForm(
        kinds=known,
        currency=programme.currency,
        zone=programme.zone,
        channels=channel.choices(programme=programme),
        auto_id="sample_%s",
    )
