"""The filters of the list of runs; the same ones decide what an export holds."""

from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty import clock
from loyalty.models import User
from offers.forms.day import DayFilter
from offers.models import Campaign, ConfigOffer, MassAssignment, Targeting


def _offers(request: Any) -> QuerySet[ConfigOffer]:
    return (
        ConfigOffer.objects.filter(programme=request.programme, mass_assignments__isnull=False)
        .distinct()
        .order_by("name")
    )


def _campaigns(request: Any) -> QuerySet[Campaign]:
    return Campaign.objects.filter(
        programme=request.programme, is_of_run=False, mass_assignments__isnull=False
    ).distinct()


def _audiences(request: Any) -> QuerySet[Targeting]:
    return (
        Targeting.objects.filter(programme=request.programme, versions__mass_assignments__isnull=False)
        .distinct()
        .order_by("name")
    )


def _people(request: Any) -> QuerySet[User]:
    launched = MassAssignment.objects.filter(programme=request.programme, launched_by__isnull=False)
    return User.objects.filter(pk__in=launched.values("launched_by")).order_by("username")


class RunFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(
        label=_("Name"),
        field_name="name",
        lookup_expr="icontains",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name of the run")}),
    )
    state = django_filters.ChoiceFilter(
        label=_("State"), choices=MassAssignment.State.choices, empty_label=_("Any state")
    )
    offer = django_filters.ModelChoiceFilter(
        label=_("Offer"), field_name="config_offer", queryset=_offers, empty_label=_("Any offer")
    )
    campaign = django_filters.ModelChoiceFilter(label=_("Campaign"), queryset=_campaigns, empty_label=_("Any campaign"))
    audience = django_filters.ModelChoiceFilter(
        label=_("Audience"),
        field_name="targeting_version__targeting",
        queryset=_audiences,
        empty_label=_("Any audience"),
    )
    by = django_filters.ModelChoiceFilter(
        label=_("Launched by"), field_name="launched_by", queryset=_people, empty_label=_("Launched by anybody")
    )
    since = DayFilter(label=_("Launched from"), method="filter_since")
    until = DayFilter(label=_("until"), method="filter_until")

    class Meta:
        model = MassAssignment
        fields: list[str] = []

    def filter_since(self, queryset: QuerySet[MassAssignment], name: str, value: Any) -> QuerySet[MassAssignment]:
        """Keep what was launched on that day of the programme's zone, or later."""
        return queryset.filter(launched_at__gte=clock.start_of_day(value, self.request.programme.zone))

    def filter_until(self, queryset: QuerySet[MassAssignment], name: str, value: Any) -> QuerySet[MassAssignment]:
        """Keep what was launched on that day of the programme's zone, or earlier."""
        return queryset.filter(launched_at__lt=clock.end_of_day(value, self.request.programme.zone))
