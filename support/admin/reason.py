from django.contrib import admin
from django.http import HttpRequest

from loyalty.admin.audited import AuditedAdmin
from support.models import GrantReason


@admin.register(GrantReason)
class GrantReasonAdmin(AuditedAdmin):
    """Added, renamed, put in order and no longer offered, never deleted: the ledger names them by their code."""

    list_display = ["label", "code", "position", "is_active"]
    list_editable = ["position"]
    list_filter = ["is_active"]
    search_fields = ["label", "code"]

    def get_readonly_fields(self, request: HttpRequest, obj: GrantReason | None = None) -> list[str]:
        """Door entries and the ledger refer to the code."""
        return ["code"] if obj else []
