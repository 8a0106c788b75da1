"""A saved targeting: the builder with its sentence, its counts and some of the members meant (S4-24..26)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from loyalty import clock, toasts, whole_number
from loyalty.errors import Conflict, DomainError, InvalidInput
from loyalty.models import Member, Programme
from loyalty.services import audit
from loyalty.staff import StaffRequest
from offers import targeting as criteria_language
from offers.models import Targeting
from offers.selectors import targeting as selector
from offers.selectors import (
    targeting_cancellation,
    targeting_catalogue,
    targeting_explanation,
    targeting_history,
    targeting_use,
)
from offers.services import targeting as service
from offers.targeting import naming
from offers.targeting.difference import Difference
from offers.views import targeting_builder
from offers.views.access import staff

MOST_VERSIONS = 2**31 - 1


def _programme(request: StaffRequest) -> Programme:
    return request.programme


@staff("offers.add_targeting")
@require_http_methods(["GET", "POST"])
def create(request: StaffRequest) -> HttpResponse:
    """Show the builder empty, or save what was built as a new audience."""
    return _edit(request, None)


@staff("offers.view_targeting")
@require_http_methods(["GET", "POST"])
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Show an audience in the builder, or save it: other criteria make a new version."""
    return _edit(request, _found(request, pk))


def _found(request: StaffRequest, pk: int) -> Targeting:
    # Conditions of one offer are changed on that offer's page.
    return get_object_or_404(selector.every(_programme(request)), pk=pk)


def _edit(request: StaffRequest, targeting: Targeting | None) -> HttpResponse:
    if request.method != "POST":
        return _page(request, targeting, _stored(request, targeting))
    if not request.user.has_perm("offers.change_targeting" if targeting else "offers.add_targeting"):
        return render(request, "403.html", status=403)
    given = {name: request.POST.get(name, "") for name in ("name", "description", "criteria")}
    try:
        criteria = targeting_builder.read_criteria(request)
        saved = _save(request, targeting, given | {"criteria": criteria})
    except service.Changed:
        return _page(request, targeting, given, has_changed=True)
    except DomainError as error:
        return _page(request, targeting, given, problems=error.problems or [{"message": error.message}])
    toasts.say(request, _saved(saved, targeting))
    return redirect(_next(request, saved))


def _saved(saved: Targeting, before: Targeting | None) -> str:
    """Say that it is saved and, where it has another version since, who keeps the one they had (B-03)."""
    words = _("“%(name)s” is saved.") % {"name": saved.name}
    if before is None or before.current_version_id == saved.current_version_id:
        return words
    behind = targeting_use.behind(saved)
    if not behind:
        return words
    kept = ngettext(
        "%(count)d run or schedule keeps the version that it was made with: see “Where it is used”.",
        "%(count)d runs and schedules keep the version that they were made with: see “Where it is used”.",
        behind,
    )
    return f"{words} {kept % {'count': behind}}"


def _stored(request: StaffRequest, targeting: Targeting | None) -> dict[str, Any]:
    """Return what the form begins with: the audience, nothing, or a copy of the one that `?clone=` names."""
    source, name = targeting, targeting.name if targeting else ""
    key = whole_number.read(request.GET.get("clone"))
    if targeting is None and key is not None:
        source = selector.every(request.programme).filter(pk=key).first()
        name = _("%(name)s (copy)") % {"name": source.name[:190]} if source else ""
    version = source.current_version if source else None
    return {
        "name": name,
        "description": source.description if source else "",
        "criteria": naming.unpinned(version.criteria) if version else _begun(request),
    }


def _page(
    request: StaffRequest,
    targeting: Targeting | None,
    given: dict[str, Any],
    *,
    problems: Sequence[Mapping[str, Any]] = (),
    has_changed: bool = False,
    refusal: str = "",
    uses: targeting_use.Uses | None = None,
) -> HttpResponse:
    """Show the builder with what is given, and what was refused: `refusal` of archiving and the like."""
    if targeting:
        # As it is now: what somebody else saved meanwhile is what the next save is compared with.
        targeting = get_object_or_404(selector.every(request.programme), pk=targeting.pk)
    may_save = request.user.has_perm("offers.change_targeting" if targeting else "offers.add_targeting")
    context = {
        "targeting": targeting,
        "given": given,
        "problems": problems,
        "has_changed": has_changed,
        "refusal": refusal,
        "uses": uses,
        "builder": targeting_builder.context(request.programme, given["criteria"]),
        "next": request.POST.get("next", request.GET.get("next", "")),
        "may_save": may_save and not (targeting and targeting.archived_at),
        "versions": targeting_history.versions(targeting) if targeting else [],
        "places": targeting_use.places(targeting) if targeting else None,
        "since": _since(request, targeting) if has_changed and targeting else None,
    }
    return render(
        request, "offers/targeting.html", context, status=409 if has_changed or refusal else 422 if problems else 200
    )


def _begun(request: StaffRequest) -> dict[str, Any]:
    """Return what a new audience begins with: nothing, or the list that it shall be made of."""
    chosen = whole_number.read(request.GET.get("list"))
    return targeting_builder.EMPTY if chosen is None else {"op": "and", "items": [{"list": chosen}]}


def _seen(request: StaffRequest) -> service.Seen | None:
    """Return what the form was opened with. A form without it, as of a script, overwrites nothing but what it names."""
    number = whole_number.read(request.POST.get("version"), most=MOST_VERSIONS)
    if number is None:
        return None
    try:
        updated_at = datetime.fromisoformat(request.POST.get("updated", ""))
    except ValueError:
        updated_at = None
    return service.Seen(version=number, updated_at=updated_at)


def _since(request: StaffRequest, targeting: Targeting) -> Difference | None:
    """Return what the criteria differ in from what the editor had opened."""
    seen, current = _seen(request), targeting.current_version
    if seen is None or current is None or seen.version == current.number:
        return None
    return targeting_history.compare(targeting, before=seen.version, after=current.number)


def _save(request: StaffRequest, targeting: Targeting | None, given: dict[str, Any]) -> Targeting:
    actor: Any = request.user
    if targeting is None:
        return service.create(programme=request.programme, actor=actor, **given)
    return service.update(targeting=targeting, actor=actor, seen=_seen(request), **given)


def _next(request: StaffRequest, saved: Targeting) -> str:
    """Go back to where the audience was wanted, and say which one it is."""
    address = request.POST.get("next", "")
    if address and url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
        return f"{address}{'&' if '?' in address else '?'}targeting={saved.pk}"
    return reverse("offers:targeting", args=[saved.pk])


def _mark(request: StaffRequest) -> str:
    return targeting_cancellation.mark_of(request.user.pk, request.POST.get("page", ""))


@staff("offers.view_targeting")
@require_POST
def preview(request: StaffRequest) -> HttpResponse:
    """Say who is meant and about how many; what is wrong with the tree, if anything is.

    An exact count of what stood there before is stopped: nobody waits for it any more.
    """
    programme, now = _programme(request), clock.now()
    targeting_cancellation.stop(_mark(request))
    try:
        checked = targeting_catalogue.read(targeting_builder.read_criteria(request), programme=programme)
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
        checked = targeting_catalogue.read(targeting_builder.read_criteria(request), programme=programme)
        counted = selector.count(checked, programme=programme, now=now, mark=_mark(request))
    except InvalidInput as error:
        return render(request, "offers/_targeting_preview.html", {"problems": error.problems})
    except targeting_cancellation.Outdated:
        # Whoever asked has something newer on its way; htmx leaves the page as it is.
        return HttpResponse(status=204)
    context = {
        "count": counted,
        "sample": selector.sample(checked, programme=programme, now=now, size=8),
        "may_see_members": request.user.has_perm("loyalty.view_member"),
    }
    return render(request, "offers/_targeting_count.html", context)


@staff("offers.change_targeting")
@require_POST
def archive(request: StaffRequest, pk: int) -> HttpResponse:
    """Take an audience out of use, unless something names it; runs keep the version they were launched with."""
    targeting = _found(request, pk)
    try:
        service.archive(targeting=targeting, actor=request.user, now=clock.now())
    except service.InUse as error:
        return _page(request, targeting, _stored(request, targeting), refusal=error.message, uses=error.uses)
    toasts.say(request, _("“%(name)s” is archived.") % {"name": targeting.name})
    return redirect("offers:targetings")


@staff("offers.change_targeting")
@require_POST
def unarchive(request: StaffRequest, pk: int) -> HttpResponse:
    """Bring an archived audience back into use, unless its name is taken since or what it speaks of is gone."""
    targeting = _found(request, pk)
    try:
        service.unarchive(targeting=targeting, actor=request.user)
    except Conflict as error:
        return _page(request, targeting, _stored(request, targeting), refusal=error.message)
    toasts.say(request, _("“%(name)s” is in use again.") % {"name": targeting.name})
    return redirect("offers:targeting", pk)


@staff("offers.change_targeting")
@require_POST
def restore(request: StaffRequest, pk: int) -> HttpResponse:
    """Go back to an old version, as a new one; what was since stays in the history."""
    targeting = _found(request, pk)
    number = whole_number.read(request.POST.get("restore"), most=MOST_VERSIONS) or 0
    try:
        saved = service.restore(targeting=targeting, number=number, actor=request.user, seen=_seen(request))
    except service.Changed:
        return _page(request, targeting, _stored(request, targeting), has_changed=True)
    except DomainError as error:
        return _page(request, targeting, _stored(request, targeting), refusal=error.message)
    words = {"number": number, "new": saved.current_version.number if saved.current_version else 0}
    toasts.say(request, _("Version %(new)d means what version %(number)d meant.") % words)
    return redirect("offers:targeting", pk)


@staff("offers.view_targeting")
@require_GET
def compare(request: StaffRequest, pk: int) -> HttpResponse:
    """Say which conditions came and went between two versions."""
    before, after = (whole_number.read(request.GET.get(name), most=MOST_VERSIONS) for name in ("before", "after"))
    if before is None or after is None:
        raise Http404
    found = targeting_history.compare(_found(request, pk), before=before, after=after)
    return render(request, "offers/_targeting_difference.html", {"change": found, "is_asked": True})


@staff("offers.view_targeting", "offers.explain_targeting")
@require_POST
def explain(request: StaffRequest) -> HttpResponse:
    """Say why one member is in or out of what is built, clause by clause with her values (B-02)."""
    programme, key = _programme(request), request.POST.get("member", "").strip()
    context: dict[str, Any] = {"asked": key, "may_see_members": request.user.has_perm("loyalty.view_member")}
    try:
        checked = targeting_catalogue.read(targeting_builder.read_criteria(request), programme=programme)
    except InvalidInput as error:
        return render(request, "offers/_targeting_explanation.html", context | {"problems": error.problems})
    member = Member.objects.filter(programme=programme, external_id=key).first() if key else None
    if member:
        # Her values are read: who asked is written down, as for her page.
        audit.record(action="member.explained", actor=request.user, programme=programme, target=member, data={})
        context["found"] = targeting_explanation.explain(checked, programme=programme, member=member, now=clock.now())
    return render(request, "offers/_targeting_explanation.html", context)
