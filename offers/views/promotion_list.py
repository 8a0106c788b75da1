"""A promotion's product lists: made, changed, deleted, and assigned to pasted members (S2-02, S2-09)."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from loyalty import clock, toasts
from loyalty.errors import DomainError
from loyalty.staff import StaffRequest
from offers.forms.promotion import AssignForm, ProductListForm
from offers.models import PersonalizedPromotion, PromotionProductList
from offers.selectors import promotion as selectors
from offers.services import promotion_enrolment, promotion_list
from offers.services.promotion_enrolment import Assigned
from offers.services.verb import By
from offers.views import promotion as chapter
from offers.views.access import staff

# Of members whose choice is locked, so many are named in a toast.
NAMED = 5


@staff(chapter.PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: StaffRequest, pk: int) -> HttpResponse:
    """Make a list of pasted products."""
    owner = chapter.find(request, pk)
    is_sent = request.method == "POST"
    form = ProductListForm(request.POST if is_sent else None, is_new=True)
    if is_sent and form.is_valid():
        try:
            made = promotion_list.create(promotion=owner, by=By(actor=request.user), **form.values())
        except DomainError as error:
            form.add_refusal(error)
        else:
            toasts.say(request, _("Made “%(name)s”. Say whom it is for.") % {"name": made.name})
            return redirect("offers:promotion_list", pk, made.pk)
    context = {"promotion": owner, "form": form}
    return render(request, "offers/promotion_list_form.html", context, status=422 if is_sent else 200)


@staff(chapter.PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, pk: int, list_pk: int) -> HttpResponse:
    """Show a list, and change its name or its products."""
    found = _find(request, pk, list_pk)
    is_sent = request.method == "POST"
    form = ProductListForm(request.POST if is_sent else None, is_new=False, initial=_known(found))
    if is_sent and form.is_valid():
        try:
            promotion_list.change(product_list=found, values=form.values(), by=By(actor=request.user), now=clock.now())
        except DomainError as error:
            form.add_refusal(error)
        else:
            toasts.say(request, _("Saved."))
            return redirect("offers:promotion_list", pk, list_pk)
    return _show(request, found, status=422 if is_sent else 200, form=form)


@staff(chapter.PERMISSION)
@require_POST
def assign(request: StaffRequest, pk: int, list_pk: int) -> HttpResponse:
    """Enlist pasted members with the list."""
    found = _find(request, pk, list_pk)
    form = AssignForm(request.POST)
    if not form.is_valid():
        return _show(request, found, status=422, assigning=form)
    try:
        done = promotion_enrolment.assign(
            product_list=found,
            members=form.ids(),
            leaves_out_unknown=form.cleaned_data["leaves_out_unknown"],
            by=By(actor=request.user),
            now=clock.now(),
        )
    except DomainError as error:
        form.add_refusal(error)
        return _show(request, found, status=422, assigning=form)
    toasts.say(request, _words(done), level="warning" if done.locked or done.left_out else "success")
    return redirect("offers:promotion_list", pk, list_pk)


@staff(chapter.PERMISSION)
@require_POST
def delete(request: StaffRequest, pk: int, list_pk: int) -> HttpResponse:
    """Delete a list that no member was ever given."""
    found = _find(request, pk, list_pk)
    try:
        promotion_list.delete(product_list=found, by=By(actor=request.user))
    except DomainError as error:
        toasts.say(request, error.message, level="error")
        return redirect("offers:promotion_list", pk, list_pk)
    toasts.say(request, _("Deleted “%(name)s”.") % {"name": found.name})
    return redirect("offers:promotion", pk)


def _find(request: StaffRequest, pk: int, list_pk: int) -> PromotionProductList:
    owner: PersonalizedPromotion = chapter.find(request, pk)
    found = selectors.with_products(selectors.lists(promotion=owner)).select_related("promotion__programme")
    return get_object_or_404(found, pk=list_pk)


def _known(found: PromotionProductList) -> dict[str, Any]:
    return {"name": found.name, "products": "\n".join(one.product.external_id for one in found.items.all())}


def _show(request: StaffRequest, found: PromotionProductList, *, status: int, **forms: Any) -> HttpResponse:
    context = {
        "promotion": found.promotion,
        "product_list": found,
        "form": ProductListForm(is_new=False, initial=_known(found)),
        "assigning": AssignForm(),
        "was_assigned": found.enrolments.exists(),
        **forms,
    }
    return render(request, "offers/promotion_list.html", context, status=status)


def _words(done: Assigned) -> str:
    """Say what became of a set of members."""
    said = [ngettext("%(n)d member enlisted.", "%(n)d members enlisted.", done.assigned) % {"n": done.assigned}]
    if done.replaced:
        words = ngettext(
            "%(n)d had another list, which this one replaces.",
            "%(n)d had another list, which this one replaces.",
            done.replaced,
        )
        said.append(words % {"n": done.replaced})
    if done.already_assigned:
        words = ngettext("%(n)d had it already.", "%(n)d had it already.", done.already_assigned)
        said.append(words % {"n": done.already_assigned})
    if done.locked:
        words = ngettext(
            "%(n)d keeps another list, because the choice is locked: %(who)s.",
            "%(n)d keep another list, because the choice is locked: %(who)s.",
            done.locked,
        )
        more = "" if done.locked <= NAMED else " …"
        said.append(words % {"n": done.locked, "who": ", ".join(done.locked_members[:NAMED]) + more})
    if done.left_out:
        words = ngettext("%(n)d id was left out.", "%(n)d ids were left out.", done.left_out)
        said.append(words % {"n": done.left_out})
    return " ".join(said)
