"""Offer templates (S0-05, S0-06): the required rules as checkboxes."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty import clock, staff
from loyalty.admin.scoped import ScopedAdmin
from offers import rules
from offers.models import OfferTemplate
from offers.services import template as service

FIELDS = ["config_offer", "name", "external_id", "description", "required_rules"]


class OfferTemplateForm(forms.ModelForm):
    required_rules = forms.MultipleChoiceField(
        label=_("required rules"),
        choices=lambda: [(kind, rule.label) for kind, rule in rules.KINDS.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("Whoever assigns with this template must give these."),
    )

    class Meta:
        model = OfferTemplate
        fields = FIELDS

    def clean(self) -> dict[str, Any]:
        """Let the service say what is wrong, field by field."""
        given = super().clean() or {}
        for found in service.check(template=self.instance, values=given):
            if found["field"] not in self.errors:
                self.add_error(found["field"] if found["field"] in self.fields else None, found["message"])
        return given


@admin.register(OfferTemplate)
class OfferTemplateAdmin(ScopedAdmin):
    form = OfferTemplateForm
    list_display = ["name", "config_offer", "external_id", "rules", "is_default", "archived_at"]
    list_select_related = ["config_offer"]
    list_filter = ["is_default"]
    search_fields = ["name", "external_id__startswith", "config_offer__offer_reference__startswith"]
    autocomplete_fields = ["config_offer"]
    readonly_fields = ["is_default", "archived_at", "created_at", "updated_at"]
    actions = ["archive"]

    @admin.display(description=_("required rules"))
    def rules(self, template: OfferTemplate) -> str:
        return ", ".join(str(rules.KINDS[kind].label) for kind in template.required_rules) or str(_("none"))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [*FIELDS, *self.readonly_fields] if obj else FIELDS

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*self.readonly_fields, *(["config_offer"] if obj else [])]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.archived_at is None)

    def save_model(self, request: HttpRequest, obj: OfferTemplate, form: Any, change: bool) -> None:
        asked = staff.of(request)
        if change:
            service.update(template=obj, values=form.cleaned_data, actor=asked.user)
            return
        made = service.create(programme=asked.programme, values=form.cleaned_data, actor=asked.user)
        obj.pk = made.pk

    @admin.action(description=_("Archive the chosen templates"), permissions=["change"])
    def archive(self, request: HttpRequest, queryset: Any) -> None:
        now = clock.now()
        for template in queryset.filter(is_default=False):
            service.archive(template=template, actor=staff.of(request).user, now=now)
