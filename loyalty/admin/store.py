from django.contrib import admin

from loyalty.admin.audited import AuditedAdmin
from loyalty.models import Store


@admin.register(Store)
class StoreAdmin(AuditedAdmin):
    list_display = ["external_id", "name"]
    search_fields = ["name", "external_id__startswith"]
