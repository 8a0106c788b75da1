"""Saved targetings: list, and the builder with its sentence, its counts and some of the members meant (S4-24..26)."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from loyalty import clock, toasts
from loyalty.errors import DomainError, InvalidInput
from loyalty.listing import Column, Listing
from loyalty.models import Member, Programme
from loyalty.services import audit
from loyalty.staff import StaffRequest
from offers import targeting as criteria_language
from offers.models import Targeting
from offers.selectors import targeting as selector
from offers.selectors import targeting_catalogue, targeting_explanation
from offers.services import targeting as service
from offers.targeting import InvalidCriteria, naming
from offers.views import targeting_builder
from offers.views.access import staff

COLUMNS = (
    Column("name", gettext_lazy("Audience"), "name"),
    Column("meaning", gettext_lazy("Who is meant")),
    Column("version", gettext_lazy("Version"), end=True),
    Column("owner", gettext_lazy("Owner"), "owner__username"),
    Column("updated", gettext_lazy("Changed"), "updated_at"),
)


def _programme(request: StaffRequest) -> Programme:
    return request.programme


@staff("offers.view_targeting")
@require_GET
def targetings(request: StaffRequest) -> HttpResponse:
    """List the audiences in use, each with its criteria in words."""
    programme = _programme(request)
    found = selector.saved(programme)
    if text := request.GET.get("q", "").strip():
        found = found.filter(name__icontains=text)
    listing = Listing(request, found, columns=COLUMNS, default_sort="name")
    shown = list(listing.page.object_list)
    trees = [one.current_version.criteria for one in shown if one.current_version]
    catalogue = targeting_catalogue.catalogue_of(programme=programme, trees=trees)
    for targeting in shown:
        targeting.sentence = _sentence(targeting, catalogue)  # type: ignore[attr-defined]
    listing.page.object_list = shown
    return render(request, "offers/targetings.html", {"listing": listing})


def _sentence(targeting: Targeting, catalogue: criteria_language.Catalogue) -> str:
    if targeting.current_version is None:
        return _("Nothing is chosen yet")
    try:
        return criteria_language.sentence(criteria_language.parse(targeting.current_version.criteria, catalogue))
    except InvalidCriteria as error:
        # An attribute or a category that it speaks of may be gone since.
        return error.message


@staff("offers.add_targeting")
@require_http_methods(["GET", "POST"])
def create(request: StaffRequest) -> HttpResponse:
    """Show the builder empty, or save what was built as a new audience."""
    return _edit(request, None)


@staff("offers.view_targeting")
@require_http_methods(["GET", "POST"])
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Show an audience in the builder, or save it: other criteria make a new version."""
    # Conditions of one offer are changed on that offer's page.
    known = Targeting.objects.filter(programme=_programme(request), config_offer=None)
    found = known.select_related("current_version", "owner")
    return _edit(request, get_object_or_404(found, pk=pk))


def _edit(request: StaffRequest, targeting: Targeting | None) -> HttpResponse:
    programme = _programme(request)
    given = {
        "name": targeting.name if targeting else "",
        "description": targeting.description if targeting else "",
        "criteria": naming.unpinned(targeting.current_version.criteria)
        if targeting and targeting.current_version
        else targeting_builder.EMPTY,
    }
    problems: list[dict[str, Any]] = []
    if request.method == "POST":
        permission = "offers.change_targeting" if targeting else "offers.add_targeting"
        if not request.user.has_perm(permission):
            return render(request, "403.html", status=403)
        try:
            given = {name: request.POST.get(name, "") for name in ("name", "description")} | {
                "criteria": targeting_builder.read_criteria(request)
            }
            saved = _save(request, programme, targeting, given)
        except DomainError as error:
            problems = error.problems or [{"message": error.message}]
        else:
            toasts.say(request, _("“%(name)s” is saved.") % {"name": saved.name})
            return redirect(_next(request, saved))
    context = {
        "targeting": targeting,
        "given": given,
        "problems": problems,
        "builder": targeting_builder.context(programme, given["criteria"]),
        "next": request.POST.get("next", request.GET.get("next", "")),
        "may_save": request.user.has_perm("offers.change_targeting" if targeting else "offers.add_targeting"),
        "versions": targeting.versions.select_related("created_by")[:10] if targeting else [],
    }
    return render(request, "offers/targeting.html", context, status=422 if problems else 200)


def _save(request: StaffRequest, programme: Programme, targeting: Targeting | None, given: dict[str, Any]) -> Targeting:
    actor: Any = request.user
    if targeting is None:
        return service.create(programme=programme, actor=actor, **given)
    return service.update(targeting=targeting, actor=actor, **given)


def _next(request: StaffRequest, saved: Targeting) -> str:
    """Go back to where the audience was wanted, and say which one it is."""
    address = request.POST.get("next", "")
    if address and url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
        return f"{address}{'&' if '?' in address else '?'}targeting={saved.pk}"
    return reverse("offers:targeting", args=[saved.pk])


@staff("offers.view_targeting")
@require_POST
def preview(request: StaffRequest) -> HttpResponse:
    """Say who is meant and about how many; what is wrong with the tree, if anything is."""
    programme, now = _programme(request), clock.now()
    try:
        checked = selector.read(targeting_builder.read_criteria(request), programme=programme)
    except InvalidInput as error:
        return render(request, "offers/_targeting_preview.html", {"problems": error.problems})
    context = {
        "sentence": criteria_language.sentence(checked),
        "estimate": selector.estimate(checked, programme=programme, now=now),
    }
    return render(request, "offers/_targeting_preview.html", context)


@staff("offers.view_targeting")
@require_POST
def count(request: StaffRequest) -> HttpResponse:
    """Count exactly, and show some of the members meant (S4-26)."""
    programme, now = _programme(request), clock.now()
    try:
        checked = selector.read(targeting_builder.read_criteria(request), programme=programme)
    except InvalidInput as error:
        return render(request, "offers/_targeting_preview.html", {"problems": error.problems})
    context = {
        "count": selector.count(checked, programme=programme, now=now),
        "sample": selector.sample(checked, programme=programme, now=now, size=8),
        "may_see_members": request.user.has_perm("loyalty.view_member"),
    }
    return render(request, "offers/_targeting_count.html", context)


@staff("offers.change_targeting")
@require_POST
def archive(request: StaffRequest, pk: int) -> HttpResponse:
    """Take an audience out of use, unless something names it; runs keep the version they were launched with."""
    targeting = get_object_or_404(Targeting, pk=pk, programme=_programme(request), config_offer=None)
    try:
        service.archive(targeting=targeting, actor=request.user, now=clock.now())
    except service.InUse as error:
        toasts.say(request, error.message, level="error")
        return redirect("offers:targeting", pk=pk)
    toasts.say(request, _("“%(name)s” is archived.") % {"name": targeting.name})
    return redirect("offers:targetings")


@staff("offers.view_targeting", "offers.explain_targeting")
@require_POST
def explain(request: StaffRequest) -> HttpResponse:
    """Say why one member is in or out of what is built, clause by clause with her values (B-02)."""
    programme, key = _programme(request), request.POST.get("member", "").strip()
    context: dict[str, Any] = {"asked": key, "may_see_members": request.user.has_perm("loyalty.view_member")}
    try:
        checked = selector.read(targeting_builder.read_criteria(request), programme=programme)
    except InvalidInput as error:
        return render(request, "offers/_targeting_explanation.html", context | {"problems": error.problems})
    member = Member.objects.filter(programme=programme, external_id=key).first() if key else None
    if member:
        # Her values are read: who asked is written down, as for her page.
        audit.record(action="member.explained", actor=request.user, programme=programme, target=member, data={})
        context["found"] = targeting_explanation.explain(checked, programme=programme, member=member, now=clock.now())
    return render(request, "offers/_targeting_explanation.html", context)
