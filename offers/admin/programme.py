"""The programme's settings (S4-03, S4-41). In this app, because a new programme gets the two tables' default fields."""

from typing import Any

from django.contrib import admin
from django.contrib.postgres.forms import SimpleArrayField
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import CharField, ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty import staff
from loyalty.models import Programme
from loyalty.services import audit
from offers.forms.money import MoneyField, in_currency
from offers.services import field

# What the column takes.
MOST_MINOR = 10**15


class ProgrammeForm(ModelForm):
    """A programme's settings; money is typed in major units of its currency."""

    approval_cost = MoneyField(label=_("runs that may cost more need approval"), required=False, most=MOST_MINOR)
    languages = SimpleArrayField(
        CharField(max_length=8), label=_("languages"), help_text=_("Codes with commas; the first is the default.")
    )

    class Meta:
        model = Programme
        fields = [
            "name",
            "slug",
            "currency",
            "timezone",
            "languages",
            "accent",
            "offers_enabled",
            "offers_label",
            "assignments_label",
            "approval_members",
        ]

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        # A new programme's currency is on the same form; until it is saved nothing better is known.
        currency = self.instance.currency
        text = _("An amount in %(currency)s, the worst case of all assignments together. Empty: no cost does.")
        self.fields["approval_cost"].help_text = text % {
            "currency": currency if self.instance.pk else _("its currency")
        }
        self.initial["approval_cost"] = self.instance.approval_cost_minor
        # What is typed is meant in the currency that is typed with it.
        typed = self.data.get(self.add_prefix("currency")) if self.is_bound else ""
        in_currency(self, typed or currency)

    def clean(self) -> dict[str, Any]:
        """Note the amount with the programme."""
        cleaned = dict(super().clean() or {})
        if "approval_cost" in cleaned:
            self.instance.approval_cost_minor = cleaned["approval_cost"]
        return cleaned


@admin.register(Programme)
class ProgrammeAdmin(admin.ModelAdmin):
    form = ProgrammeForm
    list_display = ["name", "slug", "currency", "timezone", "offers_enabled"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["demo_shift_weeks", "created_at", "updated_at"]
    fieldsets = (
        (None, {"fields": ("name", "slug", "currency", "timezone", "languages", "accent")}),
        (_("Offers"), {"fields": ("offers_enabled", "offers_label", "assignments_label")}),
        (_("Approval of runs"), {"fields": ("approval_members", "approval_cost")}),
        (_("Dates"), {"fields": ("demo_shift_weeks", "created_at", "updated_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Programme]:
        chosen = [programme.pk for programme in staff.of(request).programmes]
        return super().get_queryset(request).filter(pk__in=chosen)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Amounts are stored in the currency's minor units: it never changes afterwards."""
        return [*self.readonly_fields, *(["currency"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else dict(self.prepopulated_fields)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new brand is made by a superuser: the others work in those that they were given."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Programme, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            field.make_defaults(programme=obj)
            audit.record(
                action="programme.changed" if change else "programme.created",
                actor=staff.of(request).user,
                programme=obj,
                target=obj,
                data={"fields": form.changed_data},
            )
