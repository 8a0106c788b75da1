"""Lists of members: uploaded or pasted, looked at before they are kept, with every line that found nobody (issue 4)."""

from collections.abc import Callable
from typing import IO, Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from loyalty import clock, csv_export, toasts
from loyalty.errors import DomainError
from loyalty.listing import Column, Listing
from loyalty.staff import StaffRequest
from offers.forms.member_list import MemberFileForm, PastedIdsForm
from offers.models import MemberList
from offers.selectors import member_list as selectors
from offers.selectors import member_list_use
from offers.services import member_list as service
from offers.views.access import staff

COLUMNS = (
    Column("name", gettext_lazy("List"), "name"),
    Column("members", gettext_lazy("Members"), "size", end=True),
    Column("left_out", gettext_lazy("Left out"), end=True),
    Column("columns", gettext_lazy("Further columns")),
    Column("created", gettext_lazy("Uploaded"), "created_at"),
)
LINES = (
    Column("line", gettext_lazy("Line"), "line", end=True),
    Column("id", gettext_lazy("Id"), "external_id"),
    Column("why", gettext_lazy("Why it adds nobody"), "kind"),
)
# What is done with a file's form, the file and its name; and what the page shows of it.
Act = Callable[[dict[str, Any], IO[bytes], str], dict[str, Any]]


@staff("offers.view_memberlist")
@require_GET
def member_lists(request: StaffRequest) -> HttpResponse:
    """List the lists in use, and offer to upload one."""
    return _show(request)


def _show(request: StaffRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    found: QuerySet[MemberList] = selectors.saved(request.programme)
    if text := request.GET.get("q", "").strip():
        found = found.filter(name__icontains=text)
    listing = Listing(request, found, columns=COLUMNS, default_sort="-created")
    context = {"listing": listing, "form": MemberFileForm(), "pasted": PastedIdsForm(), **more}
    return render(request, "offers/member_lists.html", context, status=status)


@staff("offers.view_memberlist", "offers.add_memberlist")
@require_POST
def check(request: StaffRequest) -> HttpResponse:
    """Say whom a file would mean, and which lines nobody; keep nothing."""

    def look(given: dict[str, Any], file: IO[bytes], file_name: str) -> dict[str, Any]:
        found = service.check(programme=request.programme, file=file, file_name=file_name, column=given["column"])
        return {"report": found}

    return _answer(request, _with_file(request, look))


@staff("offers.view_memberlist", "offers.add_memberlist")
@require_POST
def upload(request: StaffRequest) -> HttpResponse:
    """Keep whom a file means as a list."""

    def keep(given: dict[str, Any], file: IO[bytes], file_name: str) -> dict[str, Any]:
        made = service.upload(
            programme=request.programme,
            name=given["name"] or file_name,
            file=file,
            file_name=file_name,
            column=given["column"],
            actor=request.user,
        )
        return {"made": made}

    return _answer(request, _with_file(request, keep))


@staff("offers.view_memberlist", "offers.add_memberlist")
@require_POST
def paste(request: StaffRequest) -> HttpResponse:
    """Keep whom pasted ids mean as a list."""
    form = PastedIdsForm(request.POST)
    if not form.is_valid():
        return _show(request, pasted=form, status=422)
    try:
        made = service.upload(
            programme=request.programme,
            name=form.cleaned_data["name"],
            file=service.pasted(form.cleaned_data["ids"]),
            file_name="pasted.csv",
            actor=request.user,
        )
    except DomainError as error:
        for found in error.problems or [{"message": error.message}]:
            form.add_error("name" if found.get("field") == "name" else "ids", found["message"])
        return _show(request, pasted=form, status=422)
    toasts.say(request, _("“%(name)s” is kept.") % {"name": made.name})
    return redirect("offers:member_list", pk=made.pk)


def _with_file(request: StaffRequest, act: Act) -> dict[str, Any]:
    """Do something with the file that was sent; return what the page shows of it."""
    form = MemberFileForm(request.POST, request.FILES)
    if not form.is_valid():
        messages = [message for errors in form.errors.values() for message in errors]
        return {"refusal": {"message": _("Nothing was kept."), "problems": [{"message": one} for one in messages]}}
    given = form.cleaned_data
    file = given["file"]
    try:
        return act(given, file, file.name or "")
    except DomainError as error:
        return {"refusal": {"message": error.message, "problems": error.problems, "more": error.details.get("more", 0)}}


def _answer(request: StaffRequest, context: dict[str, Any]) -> HttpResponse:
    status = 422 if "refusal" in context else 200
    if request.headers.get("HX-Request"):
        return render(request, "offers/_member_list_result.html", context, status=status)
    return _show(request, status=status, **context)


def _find(request: StaffRequest, pk: int) -> MemberList:
    found = MemberList.objects.filter(programme=request.programme).select_related("created_by")
    return get_object_or_404(found, pk=pk)


@staff("offers.view_memberlist")
@require_GET
def member_list(request: StaffRequest, pk: int) -> HttpResponse:
    """Show one list: what it is, where it is used, and the lines that added nobody."""
    found = _find(request, pk)
    context = {
        "member_list": found,
        "listing": Listing(request, selectors.left_out(found), columns=LINES, default_sort="line"),
        "uses": member_list_use.of(found),
    }
    return render(request, "offers/member_list.html", context)


@staff("offers.view_memberlist")
@require_GET
def left_out(request: StaffRequest, pk: int) -> HttpResponseBase:
    """Send the lines that added nobody as a file."""
    found = _find(request, pk)
    lines = (
        [one.line, one.external_id, one.get_kind_display(), one.first_line or ""]
        for one in selectors.left_out(found).iterator(chunk_size=5000)
    )
    return csv_export.stream(name=f"left-out-{found.pk}.csv", head=["line", "id", "why", "first line"], lines=lines)


@staff("offers.view_memberlist", "offers.change_memberlist")
@require_POST
def archive(request: StaffRequest, pk: int) -> HttpResponse:
    """Take a list out of use, unless an audience names it. Runs that take their values from it keep doing so."""
    found = _find(request, pk)
    try:
        service.archive(member_list=found, actor=request.user, now=clock.now())
    except service.InUse as error:
        toasts.say(request, error.message, level="error")
        return redirect("offers:member_list", pk=pk)
    words = {"name": found.name, "names": ", ".join(f"“{one}”" for one in selectors.takers(found).names[:5])}
    if words["names"]:
        toasts.say(request, _("“%(name)s” is archived. These still take their values from it: %(names)s.") % words)
    else:
        toasts.say(request, _("“%(name)s” is archived.") % words)
    return redirect("offers:member_lists")
