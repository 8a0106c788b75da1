"""The chapter of personalized promotions: list, form, one promotion with its lists and members (S2-03..09).

Open only to roles with the PersonalizedPromotions functionality.
"""

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyalty import clock, csv_export, toasts
from loyalty.errors import DomainError
from loyalty.listing import Column, Listing
from loyalty.services import audit
from loyalty.staff import StaffRequest
from offers.forms.promotion import EnrolmentFilter, PromotionFilter, PromotionForm
from offers.models import PersonalizedPromotion, PromotionEnrolment, PromotionProductList
from offers.selectors import promotion as selectors
from offers.selectors import promotion_enrolment as enrolments
from offers.services import promotion as service
from offers.services.verb import By
from offers.views.access import staff

PERMISSION = "offers.personalized_promotions"
YES_OR_NO = {"yes": True, "no": False}
COLUMNS = (
    Column("name", gettext_lazy("Promotion"), "name"),
    Column("backend_id", gettext_lazy("BackendID"), "backend_id"),
    Column("maximum", gettext_lazy("At most"), "maximum_distinct_products", end=True),
    Column("lock", gettext_lazy("After the first choice")),
    Column("lists", gettext_lazy("Lists"), "list_count", end=True),
    Column("members", gettext_lazy("Members"), "enrolled", end=True),
    Column("chosen", gettext_lazy("Have chosen"), "chosen", end=True),
    Column("updated", gettext_lazy("Changed"), "updated_at"),
)
MEMBERS = (
    Column("member", gettext_lazy("Member"), "member__external_id"),
    Column("list", gettext_lazy("List"), "product_list__name"),
    Column("products", gettext_lazy("Has chosen")),
    Column("assigned", gettext_lazy("Assigned"), "assigned_at"),
    Column("chosen", gettext_lazy("Chosen"), "chosen_at"),
)
HEAD = ("member", "kind", "list", "products", "assigned_at", "chosen_at", "locked_at", "withdrawn_at")
EXPORT_PART = 2000
# Of a promotion's lists, so many stand on a page of it.
LISTS = 20


@staff(PERMISSION)
@require_safe
def promotions(request: StaffRequest) -> HttpResponse:
    """List the promotions; filters, sort and page stand in the address (S2-04)."""
    listing = Listing(
        request, _filtered(request), columns=COLUMNS, default_sort="name", filters=PromotionFilter(request.GET)
    )
    return render(request, "offers/promotions.html", {"listing": listing})


@staff(PERMISSION)
@require_safe
def export(request: StaffRequest) -> HttpResponseBase:
    """Send what the list's filters keep as a file."""
    head = ("name", "backend_id", "maximum_distinct_products", "lock_after_first_apply", "lists", "members", "chosen")
    lines = (
        [
            one.name,
            one.backend_id or "",
            one.maximum_distinct_products or "",
            one.lock_after_first_apply,
            one.list_count,
            one.enrolled,
            one.chosen,
        ]
        for one in _filtered(request).order_by("name", "pk").iterator(chunk_size=EXPORT_PART)
    )
    return csv_export.stream(name="promotions.csv", head=head, lines=lines)


@staff(PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: StaffRequest) -> HttpResponse:
    """Make a promotion."""
    return _form(request, None)


@staff(PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Change one: the same fields as when it was made (S2-05)."""
    return _form(request, find(request, pk))


@staff(PERMISSION)
@require_safe
def promotion(request: StaffRequest, pk: int) -> HttpResponse:
    """Show one promotion: what it lets choose, its lists, who holds it and what happened."""
    found = find(request, pk)
    lists = Paginator(selectors.lists(promotion=found), LISTS).get_page(request.GET.get("lists"))
    filters = _filter(request, found)
    listing = Listing(
        request,
        _members(found, filters),
        columns=MEMBERS,
        default_sort="-assigned",
        filters=filters,
        is_long=True,
        whole=PromotionEnrolment.objects.filter(promotion=found),
        beside=["lists"],
    )
    context = {
        "promotion": found,
        "lists": lists,
        "lists_before": listing.address(lists=lists.number - 1),
        "lists_after": listing.address(lists=lists.number + 1),
        "listing": listing,
        "history": selectors.history(promotion=found),
        "was_assigned": selectors.was_assigned(promotion=found),
    }
    return render(request, "offers/promotion.html", context)


@staff(PERMISSION)
@require_safe
def members(request: StaffRequest, pk: int) -> HttpResponseBase:
    """Send who holds it, as the list above is filtered, as a file: ids, no contact data; the export is audited."""
    found = find(request, pk)
    audit.record(
        action="promotion.exported",
        actor=request.user,
        programme=request.programme,
        target=found,
        data={"filters": {key: value for key, value in request.GET.items() if key != "q"}},
    )
    return csv_export.stream(
        name=f"promotion-{found.pk}.csv",
        head=HEAD,
        lines=_lines(_members(found, _filter(request, found)).order_by("pk")),
    )


@staff(PERMISSION)
@require_POST
def delete(request: StaffRequest, pk: int) -> HttpResponse:
    """Delete a promotion that nobody was ever enlisted in; archive any other, which can be undone."""
    found = find(request, pk)
    try:
        done = service.delete(promotion=found, by=By(actor=request.user), now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
        return redirect("offers:promotion", pk)
    if not done.is_archived:
        toasts.say(request, _("Deleted “%(name)s”.") % {"name": found.name})
        return redirect("offers:promotions")
    words = ngettext(
        "Archived “%(name)s”: %(n)d member keeps it.",
        "Archived “%(name)s”: %(n)d members keep it.",
        done.enrolments,
    )
    undo = reverse("offers:promotion_restore", args=[pk])
    toasts.say(request, words % {"name": found.name, "n": done.enrolments}, undo=undo)
    return redirect("offers:promotion", pk)


@staff(PERMISSION)
@require_POST
def restore(request: StaffRequest, pk: int) -> HttpResponse:
    """Bring an archived promotion back into use."""
    service.restore(promotion=find(request, pk), by=By(actor=request.user))
    toasts.say(request, _("In use again."))
    return redirect("offers:promotion", pk)


def find(request: StaffRequest, pk: int) -> Any:
    """Return the programme's promotion with its counts, or answer 404."""
    return get_object_or_404(selectors.promotions(programme=request.programme).select_related("programme"), pk=pk)


def _filtered(request: StaffRequest) -> Any:
    filters = PromotionFilter(request.GET)
    filters.is_valid()
    given = filters.cleaned_data
    return selectors.promotions(
        programme=request.programme,
        text=given.get("q", ""),
        backend_id=given.get("backend_id", ""),
        is_locking=YES_OR_NO.get(given.get("lock", "")),
        is_in_use=YES_OR_NO.get(given.get("use", "")),
        is_archived={"": False, "archived": True}.get(given.get("state", "")),
    )


def _form(request: StaffRequest, found: PersonalizedPromotion | None) -> HttpResponse:
    if found is not None and found.archived_at is not None:
        toasts.say(request, _("It is archived. Bring it back into use first."), level="error")
        return redirect("offers:promotion", found.pk)
    is_sent = request.method == "POST"
    form = PromotionForm(request.POST if is_sent else None, programme=request.programme, promotion=found)
    if is_sent and form.is_valid():
        by = By(actor=request.user)
        try:
            if found is None:
                done = service.create(programme=request.programme, values=form.values(), by=by)
            else:
                done = service.update(promotion=found, values=form.values(), by=by, now=clock.now()).promotion
        except DomainError as error:
            form.add_refusal(error)
        else:
            toasts.say(request, _("Saved.") if found else _("Made. Give it a list of products next."))
            return redirect("offers:promotion", done.pk)
    context = {"form": form, "promotion": found}
    return render(request, "offers/promotion_form.html", context, status=422 if is_sent else 200)


def _filter(request: StaffRequest, found: PersonalizedPromotion) -> EnrolmentFilter:
    return EnrolmentFilter(request.GET, lists=PromotionProductList.objects.filter(promotion=found))


def _members(found: PersonalizedPromotion, filters: EnrolmentFilter) -> Any:
    filters.is_valid()
    given = filters.cleaned_data
    held = enrolments.enrolments(promotion=found, state=given.get("state", ""), text=given.get("q", ""))
    return held.filter(product_list=given["list"]) if given.get("list") else held


def _lines(found: Any) -> Iterator[list[Any]]:
    for one in found.iterator(chunk_size=EXPORT_PART):
        yield [
            one.member.external_id,
            one.member.kind,
            one.product_list.external_id,
            "|".join(choice.item.product.external_id for choice in one.choices.all()),
            *(_moment(one, name) for name in HEAD[4:]),
        ]


def _moment(one: PromotionEnrolment, name: str) -> str:
    moment = getattr(one, name)
    return moment.isoformat() if moment else ""
