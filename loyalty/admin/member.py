"""Members in the admin: contact data in clear only for who may see it, and no personal data in any history."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty import contact, staff
from loyalty.admin.audited import AuditedAdmin
from loyalty.models import Member
from loyalty.services import member as service

CONTACT = ("email", "phone")
MASKED = ("masked_email", "masked_phone")


@admin.register(Member)
class MemberAdmin(AuditedAdmin):
    list_display_links = ["external_id"]
    list_filter = ["status", "kind"]
    # Prefixes of the indexed keys: a search reads no more than it shows.
    search_help_text = "External id, e-mail or phone; the beginning is enough for who may see contact data."
    ordering = ["-id"]
    readonly_fields = ["created_at", "updated_at"]

    def get_list_display(self, request: HttpRequest) -> Any:
        email = "email" if _sees_contact_data(request) else "masked_email"
        return ["external_id", "first_name", "last_name", email, "city", "tier", "kind", "status", "joined_at"]

    def get_fields(self, request: HttpRequest, obj: Member | None = None) -> Any:
        """Put the masked value in the place of the one that may not be seen."""
        fields: list[Any] = list(super().get_fields(request, obj))
        if _sees_contact_data(request):
            return fields
        return [f"masked_{name}" if name in CONTACT else name for name in fields if name not in MASKED]

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        hidden = () if _sees_contact_data(request) else CONTACT
        return (*super().get_exclude(request, obj), *hidden)

    def get_readonly_fields(self, request: HttpRequest, obj: Member | None = None) -> list[str]:
        masked = [] if _sees_contact_data(request) else [*MASKED]
        return [*self.readonly_fields, *masked, *(["external_id", "status"] if obj else [])]

    @admin.display(description=_("e-mail"))
    def masked_email(self, member: Member) -> str:
        return contact.masked_email(member.email)

    @admin.display(description=_("phone"))
    def masked_phone(self, member: Member) -> str:
        return contact.masked_phone(member.phone)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Look for the whole key where it is masked: letter by letter, a beginning would tell it."""
        lookup = "startswith" if _sees_contact_data(request) else "exact"
        return ["external_id__startswith", f"email_key__{lookup}", f"phone_key__{lookup}"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Member], search_term: str
    ) -> tuple[QuerySet[Member], bool]:
        """Compare with the normalised keys, which are lower case."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if "@" in search_term:
            lookup = "email_key__startswith" if _sees_contact_data(request) else "email_key"
            found = queryset.filter(**{lookup: contact.email_key(search_term)})
        return found, may_repeat

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Keep the keys that she is found by in step with what was typed."""
        service.set_keys(obj, programme=staff.of(request).programme)
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return _log(request, obj, ADDITION, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return _log(request, obj, CHANGE, message)


def _sees_contact_data(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("loyalty.see_contact_data"))


def _log(request: HttpRequest, member: Member, flag: int, message: Any) -> LogEntry:
    """Write Django's own history under her external id: what it writes by itself keeps her name for good."""
    return LogEntry.objects.create(
        user_id=staff.of(request).user.pk,
        content_type=ContentType.objects.get_for_model(Member),
        object_id=str(member.pk),
        object_repr=member.audit_label[:200],
        action_flag=flag,
        change_message=message if isinstance(message, str) else json.dumps(message),
    )
