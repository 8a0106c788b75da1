"""The filters of the list of audiences; the same ones decide what an export holds."""

from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty.models import User
from offers.models import Targeting
from offers.selectors import targeting as selectors


def _owners(request: Any) -> QuerySet[User]:
    owned = Targeting.objects.filter(programme=request.programme, config_offer=None)
    return User.objects.filter(pk__in=owned.values("owner")).order_by("username")


class TargetingFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(
        label=_("Search"),
        method="filter_text",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name or description")}),
    )
    owner = django_filters.ModelChoiceFilter(label=_("Owner"), queryset=_owners, empty_label=_("Anybody's"))
    archived = django_filters.ChoiceFilter(
        label=_("State"),
        method="filter_archived",
        empty_label=_("In use"),
        choices=[("yes", _("Archived")), ("all", _("In use and archived"))],
    )

    class Meta:
        model = Targeting
        fields: list[str] = []

    def filter_text(self, queryset: QuerySet[Targeting], name: str, value: str) -> QuerySet[Targeting]:
        """Keep those with each of the words in name or description."""
        return selectors.with_words(queryset, value)

    def filter_archived(self, queryset: QuerySet[Targeting], name: str, value: str) -> QuerySet[Targeting]:
        """Leave it to `filter_queryset`, which must act without a choice too."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[Targeting]) -> QuerySet[Targeting]:
        """Show what is in use, unless something else is asked for."""
        found = super().filter_queryset(queryset)
        chosen = self.form.cleaned_data.get("archived")
        return found if chosen == "all" else found.filter(archived_at__isnull=chosen != "yes")
