from django.contrib import admin
from django.http import HttpRequest

from loyalty.admin.audited import AuditedAdmin
from loyalty.models import Channel


@admin.register(Channel)
class ChannelAdmin(AuditedAdmin):
    list_display = ["name", "code", "address", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["name", "code"]

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> list[str]:
        """Consents and saved targetings refer to the code."""
        return ["code"] if obj else []
