"""Voucher banks: what is left, importing a file, what was imported (S4-17..22)."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from loyalty import clock, toasts
from loyalty.errors import DomainError
from loyalty.listing import Column, Listing
from loyalty.models import Programme
from loyalty.staff import StaffRequest
from offers.forms.voucher import BankFilter, CodeForm, GenerationForm, LowStockForm, VoidForm, VoucherFileForm
from offers.models import VoucherBank
from offers.selectors import voucher as selectors
from offers.services import voucher as service
from offers.services import voucher_batch, voucher_code
from offers.views.access import staff

COLUMNS = (
    Column("offer", gettext_lazy("Offer"), "config_offer__name"),
    Column("state", gettext_lazy("State"), "config_offer__state"),
    Column("left", gettext_lazy("Codes left"), "left", end=True),
    Column("warn", gettext_lazy("Warned below"), "low_stock_at", end=True),
)


@staff("offers.view_voucherbank")
@require_GET
def banks(request: StaffRequest) -> HttpResponse:
    """List the banks; those that need codes stand first."""
    filters = BankFilter(request.GET)
    filters.is_valid()
    given = filters.cleaned_data
    found = selectors.search(
        programme=request.programme,
        text=given.get("q", ""),
        is_low=given.get("stock") == "low",
        now=clock.now(),
    )
    listing = Listing(request, found, columns=COLUMNS, default_sort="left", filters=filters)
    return render(request, "offers/vouchers.html", {"listing": listing})


@staff("offers.view_voucherbank")
@require_GET
def bank(request: StaffRequest, pk: int) -> HttpResponse:
    """Show a bank: what is left, the import, what was imported."""
    return show(request, find_bank(request, pk))


def show(request: StaffRequest, found: VoucherBank, *, status: int = 200, **more: Any) -> HttpResponse:
    """Answer with the bank's page; `more` stands in for parts of it, such as a form with errors."""
    context = {
        "bank": found,
        "offer": found.config_offer,
        "stock": selectors.stock(bank=found, now=clock.now()),
        "segments": selectors.segments(bank=found),
        "batches": selectors.batches(bank=found),
        "form": VoucherFileForm(programme=found.programme),
        "low_stock_form": LowStockForm(initial={"low_stock_at": found.low_stock_at}),
        "code_form": CodeForm(),
        "generation_form": GenerationForm(programme=found.programme),
        **more,
    }
    return render(request, "offers/voucher_bank.html", context, status=status)


@staff("offers.view_voucherbank", "offers.import_vouchers")
@require_POST
def check_codes(request: StaffRequest, pk: int) -> HttpResponse:
    """Say what importing the file would do, by line; import nothing (B-17)."""
    found = find_bank(request, pk)
    context = _with_file(request, found, lambda given: {"report": service.check_file(**given)})
    return _result(request, found, context)


@staff("offers.view_voucherbank", "offers.import_vouchers")
@require_POST
def import_codes(request: StaffRequest, pk: int) -> HttpResponse:
    """Import a file; the answer is the page's part with the sum, or with every problem by its line."""
    found = find_bank(request, pk)
    context = _with_file(request, found, lambda given: {"batch": service.import_file(**given, actor=request.user)})
    return _result(request, found, context)


def _with_file(
    request: StaffRequest, found: VoucherBank, act: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Do something with the form's file; return what came of it, or why it was refused, for the page."""
    form = VoucherFileForm(request.POST, request.FILES, programme=found.programme)
    if not form.is_valid():
        messages = [str(message) for errors in form.errors.values() for message in errors]
        return {"form": form, "refusal": {"message": " ".join(messages), "problems": [], "more": 0}}
    file = form.cleaned_data["file"]
    given = {"bank": found, "file": file.file, "file_name": file.name}
    try:
        return {"form": form, **act({**given, "expires_at": form.expires_at, "now": clock.now()})}
    except DomainError as error:
        lines = [problem for problem in error.problems if problem["message"] != error.message]
        refusal = {"message": error.message, "problems": lines, "more": error.details.get("more", 0)}
        return {"form": form, "refusal": refusal}


def _result(request: StaffRequest, found: VoucherBank, context: dict[str, Any]) -> HttpResponse:
    """Answer a script with the page's part, anybody else with the whole page."""
    status = 422 if "refusal" in context else 200
    if not request.headers.get("HX-Request"):
        return show(request, found, status=status, **context)
    stock = selectors.stock(bank=found, now=clock.now())
    parts = {**context, "bank": found, "stock": stock, "batches": selectors.batches(bank=found), "is_part": True}
    return render(request, "offers/_voucher_result.html", parts, status=status)


@staff("offers.view_voucherbank")
@require_GET
def count(request: StaffRequest, pk: int) -> HttpResponse:
    """Count the unassigned codes anew (S4-22)."""
    found = find_bank(request, pk)
    stock = selectors.stock(bank=found, now=clock.now())
    return render(request, "offers/_stock.html", {"bank": found, "stock": stock})


@staff("offers.view_voucherbank", "offers.undo_vouchers")
@require_POST
def undo_import(request: StaffRequest, pk: int, batch_id: int) -> HttpResponse:
    """Take an import's undrawn codes out again (B-17)."""
    found = find_bank(request, pk)
    batch = selectors.find_batch(bank=found, batch_id=batch_id)
    try:
        done = voucher_batch.undo(batch=batch, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        gone = ngettext("%(n)d code taken out.", "%(n)d codes taken out.", done.removed) % {"n": done.removed}
        kept = ngettext("%(n)d stays: it was drawn.", "%(n)d stay: they were drawn.", done.kept) % {"n": done.kept}
        toasts.say(request, f"{gone} {kept}" if done.kept else gone)
    return redirect("offers:voucher_bank", pk)


@staff("offers.view_voucherbank")
@require_POST
def find_code(request: StaffRequest, pk: int) -> HttpResponse:
    """Say where one code stands. Posted, so that the code stands in no address, history or log."""
    found = find_bank(request, pk)
    form = CodeForm(request.POST)
    if not form.is_valid():
        return show(request, found, status=422, code_form=form)
    state = selectors.find_code(bank=found, text=form.cleaned_data["code"], now=clock.now())
    return show(request, found, status=200 if state else 404, code_form=form, sought=True, code_state=state)


@staff("offers.view_voucherbank", "offers.void_vouchers")
@require_POST
def void_code(request: StaffRequest, pk: int) -> HttpResponse:
    """Make one code void."""
    found = find_bank(request, pk)
    form = VoidForm(request.POST)
    if not form.is_valid():
        return show(request, found, status=422, code_form=form)
    given = form.cleaned_data
    try:
        voucher_code.void(bank=found, **given, actor=request.user, now=clock.now())
    except DomainError as error:
        return show(request, found, status=404, code_form=CodeForm(request.POST), sought=True, problem=error.message)
    toasts.say(request, _("The code is void."))
    return redirect("offers:voucher_bank", pk)


@staff("offers.view_voucherbank", "offers.change_voucherbank")
@require_POST
def low_stock(request: StaffRequest, pk: int) -> HttpResponse:
    """Set below how many codes the bank asks for more."""
    found = find_bank(request, pk)
    form = LowStockForm(request.POST)
    if not form.is_valid():
        return show(request, found, status=422, low_stock_form=form)
    service.set_low_stock(bank=found, low_stock_at=form.cleaned_data["low_stock_at"], actor=request.user)
    toasts.say(request, _("Saved."))
    return redirect("offers:voucher_bank", pk)


def find_bank(request: StaffRequest, pk: int) -> VoucherBank:
    """Return the bank, or say that it is not there: another programme's is not."""
    programme: Programme = request.programme
    return get_object_or_404(selectors.banks(programme=programme), pk=pk)
