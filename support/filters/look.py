"""The filters of who looked at what; the same ones decide what an export holds."""

from datetime import date
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty import clock
from loyalty.models import AuditEvent, User
from offers.forms.day import DayFilter
from support.selectors import look


def _people(request: Any) -> QuerySet[User]:
    return User.objects.filter(programmes=request.programme).order_by("username")


class LookFilter(django_filters.FilterSet):
    member = django_filters.CharFilter(
        label=_("Member"),
        method="filter_member",
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Member's external id")}),
    )
    person = django_filters.ModelChoiceFilter(
        label=_("Person"), field_name="user", queryset=_people, empty_label=_("Anybody")
    )
    action = django_filters.ChoiceFilter(label=_("What"), choices=list(look.LOOKS.items()), empty_label=_("Any look"))
    since = DayFilter(label=_("from"), method="filter_since")
    until = DayFilter(label=_("until"), method="filter_until")

    class Meta:
        model = AuditEvent
        fields: list[str] = []

    def filter_member(self, queryset: Any, name: str, value: str) -> Any:
        """Keep what tells of the member with exactly this id."""
        programme: Any = self.request.programme
        return queryset.filter(look.at_member(programme=programme, external_id=value))

    def filter_since(self, queryset: Any, name: str, value: date) -> Any:
        """Keep looks on that day of the programme's zone, or later (D-09)."""
        return queryset.filter(at__gte=clock.start_of_day(value, self.request.programme.zone))

    def filter_until(self, queryset: Any, name: str, value: date) -> Any:
        """Keep looks on that day of the programme's zone, or earlier (D-09)."""
        return queryset.filter(at__lt=clock.end_of_day(value, self.request.programme.zone))
