"""Assignments, to look at: only the engine writes them."""

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty import clock, staff
from loyalty.admin.scoped import ReadOnlyAdmin
from loyalty.models import Member
from offers.models import STATUS_LABELS, Assignment, VoucherCode

# A code may stand in several banks; more than this is no search for one.
MOST_CODES = 50


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    programme_path = "config_offer__programme"
    list_display = ["id", "member", "config_offer", "source", "status", "issued_at", "ends_at"]
    list_display_links = ["id"]
    list_select_related = ["member", "config_offer"]
    # UUIDs of version 7 grow with time: the newest come first from the key alone.
    ordering = ["-id"]
    search_fields = ["id"]
    search_help_text = _("Personalized Offer ID, a member's external id, or a voucher code, in full.")
    # The voucher code itself is for those who may see it, on the support desk's page.
    exclude = ["voucher_code", "holding_key"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assignment]:
        self.now = clock.now()
        return super().get_queryset(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Head the list with the programme's own name of the table (S4-03)."""
        label = getattr(staff.of(request).programme, "assignments_label", "")
        return super().changelist_view(request, {"title": label, **(extra_context or {})})

    @admin.display(description=_("status"))
    def status(self, assignment: Assignment) -> Any:
        return STATUS_LABELS[assignment.status(self.now)]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Assignment], search_term: str
    ) -> tuple[QuerySet[Assignment], bool]:
        """Look up exact keys only: each has an index, and the table has millions of rows."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=uuid.UUID(term)), False
        except ValueError:
            pass
        programme = staff.of(request).programme
        members = list(Member.objects.filter(programme=programme, external_id=term).values_list("pk", flat=True))
        codes: list[int] = []
        if request.user.has_perm("offers.see_voucher_code"):
            found = VoucherCode.objects.filter(code=term, bank__programme=programme)
            codes = list(found.values_list("pk", flat=True)[:MOST_CODES])
        return queryset.filter(Q(member__in=members) | Q(voucher_code__in=codes)), False
