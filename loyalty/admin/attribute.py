from django.contrib import admin
from django.http import HttpRequest

from loyalty.admin.audited import AuditedAdmin
from loyalty.models import AttributeDefinition


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(AuditedAdmin):
    list_display = ["label", "name", "type", "is_indexed"]
    list_filter = ["type", "is_indexed"]
    search_fields = ["label", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: AttributeDefinition | None = None) -> list[str]:
        """Members' values and saved targetings refer to the name, and read by the type."""
        return ["name", "type"] if obj else []
