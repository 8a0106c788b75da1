"""Editing a member's contact data, in a dialog over her page or on a page of its own."""

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from loyalty import clock, staff, toasts
from loyalty.models import Member
from loyalty.services import contact_data as service
from loyalty.services.member import InvalidMembers
from support.forms.contact_data import ContactForm
from support.selectors import member as members
from support.services import member as member_service


@require_http_methods(["GET", "HEAD", "POST"])
@staff.required("loyalty.view_member", "loyalty.change_contact_data")
def edit(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Show the form, or change what was typed: everything that is wrong is said, and then nothing is changed."""
    member = members.get(programme=request.programme, member_id=member_id)
    if member.status == Member.Status.ERASED:
        return _done(
            request, member, _("She is erased: nothing is known of her, and nothing can be changed."), "warning"
        )
    sees = request.user.has_perm("loyalty.see_contact_data")
    if request.method != "POST":
        member_service.record_opening_once(member=member, actor=request.user, now=clock.now())
        return _shown(request, member, ContactForm(member=member, sees=sees))
    form = ContactForm(request.POST, member=member, sees=sees)
    if not form.is_valid():
        return _shown(request, member, form, status=422)
    try:
        answer = service.change(
            programme=request.programme,
            member_id=member.pk,
            values=form.values(),
            seen=form.cleaned_data["seen"],
            actor=request.user,
            now=clock.now(),
        )
    except InvalidMembers as error:
        form.add_problems(error.problems)
        return _shown(request, member, form, status=422)
    if answer.code == "changed_meanwhile":
        return _shown(request, answer.member, form, status=409, differing=form.begin_anew(answer.member))
    if answer.code == "member_erased":
        return _done(
            request, member, _("She is erased: nothing is known of her, and nothing can be changed."), "warning"
        )
    text = _("Saved.") if answer.code == "changed" else _("Nothing was different, so nothing was changed.")
    return _done(request, member, text, "success" if answer.code == "changed" else "info")


def _shown(
    request: staff.StaffRequest,
    member: Member,
    form: ContactForm,
    *,
    status: int = 200,
    differing: list[tuple[str, str]] | None = None,
) -> HttpResponse:
    context = {"member": member, "form": form, "differing": differing}
    # A form that is sent from its dialog swaps itself.
    part = "support/_contact_form.html" if request.method == "POST" else "support/_contact_dialog.html"
    return render(request, part if request.htmx else "support/contact.html", context, status=status)


def _done(request: staff.StaffRequest, member: Member, text: str, level: str) -> HttpResponse:
    toasts.say(request, text, level=level)
    address = reverse("support:member", args=[member.pk])
    return HttpResponseClientRedirect(address) if request.htmx else HttpResponseRedirect(address)
