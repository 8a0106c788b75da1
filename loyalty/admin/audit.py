from django.contrib import admin

from loyalty.admin.scoped import ReadOnlyAdmin
from loyalty.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "action", "object_label", "object_type", "user", "api_client"]
    list_display_links = ["at"]
    list_select_related = ["user", "api_client"]
    search_fields = ["action__startswith", "object_id__exact", "object_label__startswith"]
    search_help_text = "Action, object or its id, from the beginning."
    ordering = ["-id"]
