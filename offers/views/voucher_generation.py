"""Making codes from a bank's page, and the till's copy of a batch (D-07)."""

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from loyalty import clock, csv_export, toasts
from loyalty.errors import DomainError
from loyalty.staff import StaffRequest
from offers.forms.voucher import GenerationForm
from offers.selectors import voucher as selectors
from offers.services import voucher_generation
from offers.views.access import staff
from offers.views.voucher import find_bank, show


@staff("offers.view_voucherbank", "offers.generate_vouchers")
@require_POST
def allow(request: StaffRequest, pk: int) -> HttpResponse:
    """Let codes be made in this bank, or stop it."""
    is_allowed = request.POST.get("allow") == "yes"
    voucher_generation.allow(bank=find_bank(request, pk), is_allowed=is_allowed, actor=request.user)
    toasts.say(request, _("Codes may be made here now.") if is_allowed else _("Codes come from outside only now."))
    return redirect("offers:voucher_bank", pk)


@staff("offers.view_voucherbank", "offers.generate_vouchers")
@require_POST
def generate(request: StaffRequest, pk: int) -> HttpResponse:
    """Make codes."""
    found = find_bank(request, pk)
    form = GenerationForm(request.POST, programme=found.programme)
    if not form.is_valid():
        return show(request, found, status=422, generation_form=form)
    given = {name: form.cleaned_data[name] for name in ("count", "pattern", "characters")}
    try:
        batch = voucher_generation.generate(
            bank=found, **given, expires_at=form.expires_at, actor=request.user, now=clock.now()
        )
    except DomainError as error:
        for problem in error.problems or [{"field": None, "message": error.message}]:
            name = problem.get("field")
            form.add_error(name if name in form.fields else None, str(problem["message"]))
        return show(request, found, status=422, generation_form=form)
    made = ngettext("%(n)d code made.", "%(n)d codes made.", batch.imported) % {"n": batch.imported}
    toasts.say(request, made + " " + _("Export them for the till; they are given out from then on."))
    return redirect("offers:voucher_bank", pk)


@staff("offers.view_voucherbank", "offers.export_vouchers")
@require_POST
def export(request: StaffRequest, pk: int, batch_id: int) -> StreamingHttpResponse:
    """Send a batch's codes: as text, exactly, for the till; as CSV for a spreadsheet, where none runs as a formula."""
    batch = selectors.find_batch(bank=find_bank(request, pk), batch_id=batch_id)
    codes = voucher_generation.export(batch=batch, actor=request.user, now=clock.now())
    name = f"codes-{batch.pk}"
    if request.POST.get("as") == "csv":
        lines = ((code, expires_at.isoformat() if expires_at else "") for code, expires_at in codes)
        return csv_export.stream(name=f"{name}.csv", head=[_("Code"), _("Codes expire")], lines=lines)
    answer = StreamingHttpResponse(
        (f"{code}\n" for code, _expires_at in codes), content_type="text/plain; charset=utf-8"
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.txt"'
    return answer
