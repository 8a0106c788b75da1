from django.contrib import admin

from loyalty.admin.scoped import ReadOnlyAdmin
from loyalty.models import OutboxEvent


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    list_display = ["id", "position", "type", "size", "is_synchronized", "run_id", "chunk", "created_at"]
    list_display_links = ["id"]
    search_fields = ["=position"]
    search_help_text = "Position."
    ordering = ["-id"]
