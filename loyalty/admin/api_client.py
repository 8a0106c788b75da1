"""Machines and their keys: a key is shown once, on the page that follows its making."""

import contextlib
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import APIKey

from loyalty import staff
from loyalty.admin.audited import AuditedAdmin
from loyalty.models import ApiClient, Scope
from loyalty.services import audit

# The package's own keys, which nothing here accepts.
with contextlib.suppress(NotRegistered):
    admin.site.unregister(APIKey)


class ApiClientForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("scopes"), choices=Scope, widget=forms.CheckboxSelectMultiple, required=False
    )

    class Meta:
        model = ApiClient
        fields = ["name", "scopes", "allowed_addresses", "expiry_date", "revoked"]


@admin.register(ApiClient)
class ApiClientAdmin(AuditedAdmin):
    form = ApiClientForm
    list_display = ["name", "prefix", "created", "expiry_date", "last_used_at", "revoked"]
    list_filter = ["revoked"]
    search_fields = ["name", "prefix"]
    readonly_fields = ["prefix", "created", "last_used_at"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = ["name", "scopes", "allowed_addresses", "expiry_date"]
        return [*fields, "revoked", "prefix", "created", "last_used_at"] if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A revoked key stays revoked."""
        fixed = ["prefix", "created", "last_used_at"]
        return [*fixed, "revoked"] if obj is not None and obj.revoked else fixed

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        with transaction.atomic():
            # Only this answer knows the key; the table keeps its hash.
            request.made_key = ApiClient.objects.assign_key(obj)  # type: ignore[attr-defined]
            obj.save()
            self.record(request, obj, "created", scopes=obj.scopes)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("The key of %(name)s") % {"name": obj.name},
            "key": request.made_key,  # type: ignore[attr-defined]
            "object": obj,
            "list_url": reverse("admin:loyalty_apiclient_changelist"),
        }
        response = TemplateResponse(request, "admin/loyalty/apiclient/key.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def record(self, request: HttpRequest, obj: Any, verb: str, **data: Any) -> None:
        """Name the client by the key's prefix: its primary key has the hash in it."""
        audit.record(
            action=f"apiclient.{verb}",
            actor=staff.of(request).user,
            programme=staff.of(request).programme,
            data={"name": obj.name, "prefix": obj.prefix, **data},
        )
