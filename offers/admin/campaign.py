from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from loyalty.admin.audited import AuditedAdmin
from offers.models import Campaign


@admin.register(Campaign)
class CampaignAdmin(AuditedAdmin):
    list_display = ["name", "external_id", "type", "starts_at", "ends_at"]
    search_fields = ["name", "external_id__startswith"]
    readonly_fields = ["created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        """Leave out those that a mass assignment made for itself (D-01)."""
        return super().get_queryset(request).filter(is_of_run=False)

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        return [*self.readonly_fields, *(["external_id"] if obj else [])]
