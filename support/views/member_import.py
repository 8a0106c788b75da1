"""Members by file: upload, look at what would happen, import, read the report, take back (issue 4)."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from loyalty import clock, csv_export, staff, toasts
from loyalty.errors import DomainError
from loyalty.models import AttributeDefinition, Channel, MemberImport
from loyalty.selectors import member_import as selectors
from loyalty.services import audit, member_columns, member_import_undo
from loyalty.services import member_import as service
from loyalty.tasks import member_import as task
from support.forms.member_import import MemberFileForm

SHOWN = 50
HEAD = ("line", "field", "value", "code", "message")
MAY = "loyalty.import_members"


@require_http_methods(["GET", "POST"])
@staff.required(MAY)
def listing(request: staff.StaffRequest) -> HttpResponseBase:
    """Show the imports, or receive a file and check it."""
    form = MemberFileForm(request.POST or None, request.FILES or None)
    problems: list[Any] = []
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            made = service.receive(
                programme=request.programme,
                file=file.file,
                file_name=file.name,
                actor=request.user,
                now=clock.now(),
            )
        except DomainError as error:
            problems = error.problems or [{"message": error.message}]
        else:
            task.do(made)
            return redirect("support:member_import", made.pk)
    page = Paginator(selectors.of_programme(programme=request.programme), SHOWN).get_page(request.GET.get("page"))
    attributes = AttributeDefinition.objects.filter(programme=request.programme).values_list("name", flat=True)
    context = {
        "page": page,
        "form": form,
        "problems": problems,
        "fields": member_columns.FIELDS,
        "attributes": attributes,
        "channels": Channel.objects.filter(programme=request.programme).values_list("code", flat=True),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "support/member_imports.html", context, status=status)


@require_GET
@staff.required(MAY)
def detail(request: staff.StaffRequest, import_id: int) -> HttpResponse:
    """Show one import: what it would do or did, what is wrong, and what can be done next."""
    made = selectors.get(programme=request.programme, import_id=import_id)
    return render(request, "support/member_import.html", _shown(made))


@require_GET
@staff.required(MAY)
def live(request: staff.StaffRequest, import_id: int) -> HttpResponse:
    """Return the part of the page that changes while a worker is at it."""
    made = selectors.get(programme=request.programme, import_id=import_id)
    return render(request, "support/_member_import.html", _shown(made))


def _shown(made: MemberImport) -> dict[str, Any]:
    found = selectors.problems(member_import=made)[:SHOWN]
    problems = [selectors.said(one) for one in found]
    # One entry for each member that an undo left is among the problems, which are counted without them.
    total = made.problem_count + made.kept
    share = service.share_done(made) if made.is_waiting else 100
    return {"import": made, "problems": problems, "more": max(total - len(problems), 0), "share": share}


@require_POST
@staff.required(MAY)
def start(request: staff.StaffRequest, import_id: int) -> HttpResponse:
    """Import a file that was checked."""
    made = selectors.get(programme=request.programme, import_id=import_id)
    try:
        task.do(service.start(member_import=made, actor=request.user))
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    return redirect("support:member_import", made.pk)


@require_POST
@staff.required(MAY)
def undo(request: staff.StaffRequest, import_id: int) -> HttpResponse:
    """Take an import back."""
    made = selectors.get(programme=request.programme, import_id=import_id)
    try:
        task.do(member_import_undo.begin(member_import=made, actor=request.user, now=clock.now()))
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, _("The import is taken back."))
    return redirect("support:member_import", made.pk)


@require_GET
@staff.required(MAY)
def report(request: staff.StaffRequest, import_id: int) -> StreamingHttpResponse:
    """Stream every problem as CSV. It repeats what stood in the file, so looking at it is noted."""
    made = selectors.get(programme=request.programme, import_id=import_id)
    audit.record(action="member_import.reported", actor=request.user, programme=request.programme, target=made)
    name = f"import-{made.pk}-problems.csv"
    return csv_export.stream(name=name, head=HEAD, lines=selectors.report(member_import=made))
