"""The two tables' fields (S4-03, S4-11): default ones change their display name only, own ones may go."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from loyalty import staff
from loyalty.admin.scoped import ScopedAdmin
from offers.models import FieldDefinition
from offers.models.field import DEFAULTS
from offers.services import field as service


class FieldForm(forms.ModelForm):
    class Meta:
        model = FieldDefinition
        fields = ["table", "name", "type", "label"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        taken = {name for name, _type, _label in DEFAULTS.get(given.get("table", ""), [])}
        if self.instance.pk is None and given.get("name") in taken:
            self.add_error("name", service.taken(given["name"]))
        return given


@admin.register(FieldDefinition)
class FieldDefinitionAdmin(ScopedAdmin):
    form = FieldForm
    list_display = ["label", "table", "name", "type", "is_default"]
    list_filter = ["table", "is_default", "type"]
    search_fields = ["label", "name"]
    # One action deletes several at once without asking about each.
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Values are stored under the name and read by the type."""
        return ["table", "name", "type", "is_default"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = request.user.has_perm("offers.delete_fielddefinition")
        return may and obj is not None and not obj.is_default

    def save_model(self, request: HttpRequest, obj: FieldDefinition, form: Any, change: bool) -> None:
        if change:
            service.rename(field=obj, label=form.cleaned_data["label"], actor=staff.of(request).user)
            return
        made = service.create(programme=staff.of(request).programme, actor=staff.of(request).user, **form.cleaned_data)
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: FieldDefinition) -> None:
        service.delete(field=obj, actor=staff.of(request).user)
