"""The list of members and one member's page."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from loyalty import clock, contact, csv_export, staff, toasts, whole_number
from loyalty.errors import DomainError, InvalidInput
from loyalty.listing import Column, Listing
from loyalty.models import Member
from loyalty.services import audit, member_session, member_token
from support import member_sections
from support.filters.member import MemberFilter
from support.selectors import assignment as assignments
from support.selectors import member as members
from support.selectors import purchase as purchases
from support.services import member as member_service
from support.views import as_of
from support.views import timeline as timelines

COLUMNS = (
    Column("name", _("Name"), sort="last_name"),
    Column("external_id", _("External id"), sort="external_id"),
    Column("email", _("E-mail")),
    Column("phone", _("Phone")),
    Column("tier", _("Tier"), sort="tier"),
    Column("city", _("City"), sort="city"),
    Column("status", _("Status"), sort="status"),
    Column("joined", _("Joined"), sort="joined_at", end=True),
)
EXPORTED = (
    "external_id",
    "first_name",
    "last_name",
    "email",
    "phone",
    "tier",
    "city",
    "country",
    "status",
    "kind",
    "joined_at",
)
EXPORT_PART = 2000


@require_safe
@staff.required("loyalty.view_member")
def listing(request: staff.StaffRequest) -> HttpResponse:
    """Show the programme's members, filtered and sorted by what stands in the address."""
    found = _filtered(request)
    shown = Listing(request, found.qs, columns=COLUMNS, default_sort="external_id", filters=found.form)
    member_service.record_listing(
        programme=request.programme, actor=request.user, filters=_noted(request), by_text=bool(request.GET.get("q"))
    )
    return render(request, "support/members.html", {"listing": shown})


@require_safe
@staff.required("loyalty.view_member")
def export(request: staff.StaffRequest) -> StreamingHttpResponse:
    """Stream what the list's filters keep as CSV; the export is audited.

    Contact data stays masked for everybody: who may see hers on a page need not carry away everybody's in a file.
    """
    found = _filtered(request).qs.order_by("external_id")
    audit.record(
        action="member.exported",
        actor=request.user,
        programme=request.programme,
        data={"filters": _noted(request)},
    )
    return csv_export.stream(name="members.csv", head=EXPORTED, lines=_lines(found))


@require_safe
@vary_on_headers("HX-Request", "HX-Target")
@staff.required("loyalty.view_member")
def detail(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Show a member, one tab of her page at a time (`?tab=`). Each look is noted; another tab is the same look."""
    member = members.get(programme=request.programme, member_id=member_id)
    now = clock.now()
    is_part = request.htmx.target == "member-tabs" and not request.htmx.history_restore_request
    if not is_part:
        member_service.record_opening(member=member, actor=request.user)
    problem = ""
    if "as_of" in request.GET:
        try:
            return as_of.page(request, member, now)
        except InvalidInput as error:
            problem = error.message
    tab = member_sections.chosen(user=request.user, member=member, key=request.GET.get("tab", ""))
    context = {
        "member": member,
        "now": now,
        "problem": problem,
        "tab": tab,
        "tabs": member_sections.tabs(user=request.user, member=member),
        **member_sections.context(tab=tab, user=request.user, member=member, now=now),
        **(timelines.context(request, member, until=now) if tab.has_timeline else {}),
    }
    template = "support/_member_tabs.html" if is_part else "support/member.html"
    return render(request, template, context, status=422 if problem else 200)


@require_safe
@staff.required("loyalty.view_member")
def current(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return what she holds now: the part that a grant changes."""
    member = members.get(programme=request.programme, member_id=member_id)
    member_service.record_opening_once(member=member, actor=request.user, now=clock.now())
    now = clock.now()
    context = {"member": member, "now": now, "current": assignments.current(member=member, now=now)}
    return render(request, "support/_member_now.html", context)


@require_safe
@staff.required("loyalty.view_member")
def past(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return a further page of what she held before."""
    member = members.get(programme=request.programme, member_id=member_id)
    member_service.record_opening_once(member=member, actor=request.user, now=clock.now())
    now, page = clock.now(), _page(request)
    over, has_more = assignments.past(member=member, now=now, page=page)
    context = {"member": member, "now": now, "past": over, "has_more_past": has_more, "page": page}
    return render(request, "support/_member_past.html", context)


@require_safe
@staff.required("loyalty.view_member", "loyalty.view_purchase")
def receipts(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Return a further page of her receipts."""
    member = members.get(programme=request.programme, member_id=member_id)
    member_service.record_opening_once(member=member, actor=request.user, now=clock.now())
    page = _page(request)
    found, has_more = purchases.receipts(member=member, page=page)
    context = {"member": member, "receipts": found, "has_more_receipts": has_more, "page": page}
    return render(request, "support/_member_receipts.html", context)


@require_safe
@staff.required("loyalty.view_member", "loyalty.view_purchase")
def receipt_lines(request: staff.StaffRequest, purchase_id: int) -> HttpResponse:
    """Return the lines of one receipt."""
    purchase = purchases.get(programme=request.programme, purchase_id=purchase_id)
    member_service.record_opening_once(member=purchase.member, actor=request.user, now=clock.now())
    context = {"purchase": purchase, "lines": purchases.lines(purchase=purchase)}
    return render(request, "support/_receipt_lines.html", context)


@require_POST
@staff.required("loyalty.view_member", "loyalty.reveal_contact_data")
def reveal(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Show a masked e-mail address or phone number, after noting who asked."""
    member = members.get(programme=request.programme, member_id=member_id)
    try:
        value = member_service.reveal(member=member, field=request.POST.get("field", ""), actor=request.user)
    except DomainError as error:
        return HttpResponse(error.message, status=error.status, content_type="text/plain")
    return render(request, "support/_revealed.html", {"value": value})


@require_POST
@staff.required("loyalty.view_member", "loyalty.view_as_member")
def as_member(request: staff.StaffRequest, member_id: int) -> HttpResponse:
    """Open the member's own pages as she sees them: a real token of hers, which names this person (audited)."""
    member = members.get(programme=request.programme, member_id=member_id)
    now = clock.now()
    try:
        token = member_token.mint(member=member, now=now, actor=request.user)
    except DomainError as error:
        toasts.say(request, error.message, level="error")
        return HttpResponseRedirect(reverse("support:member", args=[member.pk]))
    # The same way in as hers, beside this person's own sign-in; it ends with the token.
    claims = member_token.verify(token=token, now=now)
    member_session.begin(session=request.session, claims=claims, now=now)
    return HttpResponseRedirect(reverse("rewards-offers"))


def _noted(request: staff.StaffRequest) -> dict[str, str]:
    """Return the filters as the audit keeps them: without a text, which may be somebody's name or address."""
    told = set(MemberFilter.base_filters) - {"q", "external_id"}
    # What JSON cannot hold, no filter finds.
    return {key: str(value).replace("\0", "")[:200] for key, value in request.GET.items() if key in told and value}


def _filtered(request: staff.StaffRequest) -> MemberFilter:
    return MemberFilter(request.GET, queryset=Member.objects.filter(programme=request.programme), request=request)


def _page(request: staff.StaffRequest) -> int:
    # A bound: the merged timeline reads all pages before the one that is asked for.
    return min(whole_number.read(request.GET.get("page"), most=99_999) or 1, 200)


def _lines(found: Any) -> Iterator[list[Any]]:
    for member in found.iterator(chunk_size=EXPORT_PART):
        yield [
            member.external_id,
            member.first_name,
            member.last_name,
            contact.masked_email(member.email),
            contact.masked_phone(member.phone),
            member.tier,
            member.city,
            member.country,
            member.status,
            member.kind,
            member.joined_at.isoformat() if member.joined_at else "",
        ]
