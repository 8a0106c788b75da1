from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from loyalty.admin.audited import AuditedAdmin
from loyalty.models import Member


@admin.register(Member)
class MemberAdmin(AuditedAdmin):
    list_display = ["external_id", "first_name", "last_name", "email", "city", "tier", "kind", "status", "joined_at"]
    list_display_links = ["external_id"]
    list_filter = ["status", "kind"]
    # Prefixes of the indexed keys: a search reads no more than it shows.
    search_fields = ["external_id__startswith", "email_key__startswith", "phone_key__startswith"]
    search_help_text = "External id, e-mail or phone, from the beginning."
    ordering = ["-id"]
    readonly_fields = ["created_at", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Member | None = None) -> list[str]:
        return [*self.readonly_fields, *(["external_id", "status"] if obj else [])]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Member], search_term: str
    ) -> tuple[QuerySet[Member], bool]:
        """Compare with the normalised keys, which are lower case."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if "@" in search_term:
            found = queryset.filter(email_key__startswith=search_term.strip().lower())
        return found, may_repeat
