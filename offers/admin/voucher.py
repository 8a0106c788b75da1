"""Voucher banks and what was imported; codes come by file only (S4-17..22)."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from loyalty import clock, staff
from loyalty.admin.scoped import ReadOnlyAdmin
from offers.models import VoucherBank, VoucherBatch
from offers.selectors import voucher as selectors
from offers.services import voucher as service


class VoucherBatchInline(admin.TabularInline):
    model = VoucherBatch
    fields = ("file_name", "lines", "imported", "duplicates_in_file", "duplicates_in_bank", "expires_at", "imported_at")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(VoucherBank)
class VoucherBankAdmin(ReadOnlyAdmin):
    list_display = ["config_offer", "left", "low_stock_at", "import_codes"]
    list_select_related = ["config_offer"]
    search_fields = ["config_offer__name", "config_offer__offer_reference__startswith"]
    fields = ["config_offer", "left", "low_stock_at", "import_codes", "created_at"]
    readonly_fields = ["config_offer", "left", "import_codes", "created_at"]
    inlines = [VoucherBatchInline]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[VoucherBank]:
        return selectors.with_codes_left(super().get_queryset(request), now=clock.now())

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only the warning level is one's own to change."""
        return bool(request.user.has_perm("offers.change_voucherbank"))

    @admin.display(description=_("unassigned codes"))
    def left(self, bank: Any) -> int:
        return bank.left

    @admin.display(description=_("import"))
    def import_codes(self, bank: VoucherBank) -> Any:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:offers_voucherbank_import", args=[bank.pk]), _("Import")
        )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.import_view)
        return [path("<int:pk>/import/", view, name="offers_voucherbank_import"), *super().get_urls()]

    def import_view(self, request: HttpRequest, pk: int) -> HttpResponseRedirect:
        """Lead to the bank's own page, where a file is dropped and its problems are shown."""
        return HttpResponseRedirect(reverse("offers:voucher_bank", args=[pk]))

    def save_model(self, request: HttpRequest, obj: VoucherBank, form: Any, change: bool) -> None:
        if "low_stock_at" in form.changed_data:
            wanted, obj.low_stock_at = obj.low_stock_at, form.initial["low_stock_at"]
            service.set_low_stock(bank=obj, low_stock_at=wanted, actor=staff.of(request).user)
