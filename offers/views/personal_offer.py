"""Imports of personal offers on an offer's page: upload, preview by line, commit, report (S1-03..06, S1-17, D-14)."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from loyalty import clock, csv_export, money, toasts
from loyalty.errors import DomainError
from loyalty.staff import StaffRequest
from offers.forms.personal_offer import PersonalOfferFileForm
from offers.models import ConfigOffer, PersonalOfferImport
from offers.rules.personal import RECEIPT
from offers.selectors import catalogue
from offers.selectors import personal_offer as selectors
from offers.services import personal_offer as service
from offers.services import personal_offer_file
from offers.services import personal_offer_report as report
from offers.tasks import personal_offer as tasks
from offers.views.access import staff

# The newest imports of an offer on its page.
MOST_SHOWN = 50


@staff("offers.view_configoffer", "offers.view_personalofferimport")
@require_GET
def imports(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the offer's imports, how many members hold and accepted it, and the form of the next one."""
    return _page(request, _offer(request, pk), PersonalOfferFileForm())


def _page(
    request: StaffRequest, offer: ConfigOffer, form: PersonalOfferFileForm, *, status: int = 200, refusal: str = ""
) -> HttpResponse:
    context = {
        "offer": offer,
        "form": form,
        "refusal": refusal,
        "imports": list(selectors.imports(offer=offer)[:MOST_SHOWN]),
        "accepted": selectors.accepted(offer=offer),
        "mechanic": _mechanic(offer),
        "columns": _columns(_mechanic(offer)),
    }
    return render(request, "offers/personal_offers.html", context, status=status)


@staff("offers.view_configoffer", "offers.view_personalofferimport", "offers.import_personaloffers")
@require_POST
def upload(request: StaffRequest, pk: int) -> HttpResponse:
    """Receive a file and lead to its page, where it is checked; nothing is given yet."""
    offer = _offer(request, pk)
    form = PersonalOfferFileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, offer, form, status=422)
    file = form.cleaned_data["file"]
    try:
        received = service.receive(
            programme=request.programme,
            offer=offer,
            file=file.file,
            file_name=file.name,
            is_full=form.cleaned_data["is_full"],
            actor=request.user,
            now=clock.now(),
        )
    except DomainError as error:
        return _page(request, offer, form, status=422, refusal=error.message)
    transaction.on_commit(lambda: tasks.ring(received.pk))
    return redirect("offers:personal_import", pk, received.pk)


@staff("offers.view_configoffer", "offers.view_personalofferimport")
@require_GET
def one(request: StaffRequest, pk: int, upload_id: int) -> HttpResponse:
    """Show an import: what is wrong with it, what it would do, how far it is, what it did."""
    return render(request, "offers/personal_import.html", _context(request, pk, upload_id))


@staff("offers.view_configoffer", "offers.view_personalofferimport")
@require_GET
def live(request: StaffRequest, pk: int, upload_id: int) -> HttpResponse:
    """Return the part of the page that changes while a worker is at it."""
    return render(request, "offers/_personal_import.html", _context(request, pk, upload_id))


def _context(request: StaffRequest, pk: int, upload_id: int) -> dict[str, Any]:
    offer = _offer(request, pk)
    found = _upload(request, offer, upload_id)
    is_done = found.state == PersonalOfferImport.State.FINISHED
    said_of = found.counts if is_done else found.preview
    problems = report.problems(upload=found) if found.faulty else []
    return {
        "offer": offer,
        "upload": found,
        "is_done": is_done,
        "accepted": selectors.accepted_of(upload=found) if is_done else None,
        "counted": report.counted(said_of),
        "kept": said_of.get("acceptance_kept", 0),
        "lost": said_of.get("acceptance_lost", 0),
        "costs": money.display(said_of["exposure_minor"], offer.programme.currency)
        if said_of.get("exposure_minor")
        else "",
        "problems": [{**problem, "sentence": report.sentence(problem)} for problem in problems],
        "more": max(found.faulty - len({problem["member"] or problem["line"] for problem in problems}), 0),
        "acts": said_of.get("new", 0) + said_of.get("changed", 0),
        "takes": said_of.get("withdrawn", 0) + said_of.get("left_as_used", 0),
        "refused": [(row, report.why(row)) for row in selectors.report(upload=found, outcome="refused")[:50]]
        if is_done
        else [],
    }


@staff("offers.view_configoffer", "offers.view_personalofferimport", "offers.import_personaloffers")
@require_http_methods(["POST"])
def commit(request: StaffRequest, pk: int, upload_id: int) -> HttpResponse:
    """Put a checked import to work."""
    found = _upload(request, _offer(request, pk), upload_id)
    try:
        service.commit(
            upload=found,
            leaves_out_faulty=request.POST.get("leave_out") == "yes",
            actor=request.user,
            now=clock.now(),
        )
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        transaction.on_commit(lambda: tasks.ring(found.pk))
        n = found.rows - found.faulty
        toasts.say(request, ngettext("%(n)d member is being done.", "%(n)d members are being done.", n) % {"n": n})
    return redirect("offers:personal_import", pk, upload_id)


@staff("offers.view_configoffer", "offers.view_personalofferimport", "offers.import_personaloffers")
@require_POST
def retry(request: StaffRequest, pk: int, upload_id: int) -> HttpResponse:
    """Try a failed import again where it stopped."""
    found = _upload(request, _offer(request, pk), upload_id)
    try:
        service.retry(upload=found, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        transaction.on_commit(lambda: tasks.ring(found.pk))
        toasts.say(request, _("It is tried again. What was given before stays."))
    return redirect("offers:personal_import", pk, upload_id)


@staff("offers.view_configoffer", "offers.view_personalofferimport", "offers.import_personaloffers")
@require_POST
def discard(request: StaffRequest, pk: int, upload_id: int) -> HttpResponse:
    """Put a checked import away."""
    found = _upload(request, _offer(request, pk), upload_id)
    try:
        service.discard(upload=found, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
        return redirect("offers:personal_import", pk, upload_id)
    toasts.say(request, _("Discarded. Nothing of it was given."))
    return redirect("offers:personal_offers", pk)


@staff("offers.view_configoffer", "offers.view_personalofferimport")
@require_GET
def export(request: StaffRequest, pk: int, upload_id: int) -> StreamingHttpResponse:
    """Send a line for each member of the import, what became of her and why."""
    found = _upload(request, _offer(request, pk), upload_id)
    name = f"personal-offers-{found.pk}.csv"
    return csv_export.stream(name=name, head=report.HEAD, lines=report.lines(upload=found))


@staff("offers.view_configoffer", "offers.view_personalofferimport")
@require_GET
def example(request: StaffRequest, pk: int) -> StreamingHttpResponse:
    """Send a file to begin with: the columns for what the offer is on, and two lines."""
    mechanic = _mechanic(_offer(request, pk))
    columns = _columns(mechanic)
    kind = next(kind for kind, on in personal_offer_file.KINDS.items() if on == mechanic)
    if mechanic == RECEIPT:
        rows = [
            {"benefit_type": "amount", "amount_minor": 5000, "size": 500},
            {"benefit_type": "amount", "amount_minor": 10000, "size": 1200},
        ]
    else:
        rows = [
            {"external_id": "A-1", "benefit_type": "percent", "size": 20},
            {"external_id": "A-2", "benefit_type": "bonus_points", "size": 100},
        ]
    lines = [[{"member": "M-1", "kind": kind, **row}.get(column, "") for column in columns] for row in rows]
    return csv_export.stream(name="personal-offers-example.csv", head=columns, lines=lines)


def _columns(mechanic: str) -> list[str]:
    of_items = {"id", "external_id", "offer_reference", "item_starts_at", "item_ends_at"}
    left_out = of_items if mechanic == RECEIPT else {"amount_minor"}
    return [column for column in personal_offer_file.FLAT if column not in left_out]


def _mechanic(offer: ConfigOffer) -> str:
    terms = offer.current_revision.terms if offer.current_revision else offer.terms
    return str((terms.get("personal") or {}).get("mechanic") or "products")


def _offer(request: StaffRequest, pk: int) -> ConfigOffer:
    """Return the programme's offer, or say that it is not there."""
    return get_object_or_404(catalogue.offers(programme=request.programme), pk=pk)


def _upload(request: StaffRequest, offer: ConfigOffer, upload_id: int) -> PersonalOfferImport:
    return get_object_or_404(selectors.imports(offer=offer), pk=upload_id)
