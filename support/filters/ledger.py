"""The filters of the ledger's list; the same ones decide what an export holds."""

from datetime import date, timedelta
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty.models import User
from offers.forms.day import DayFilter
from offers.forms.money import ATTRIBUTES, MoneyFilter
from offers.models import ConfigOffer, GrantLedgerEntry
from offers.models.grant_ledger import ticket_key
from support.selectors import ledger, reason
from support.selectors.period import monday

STATES = {"kept": _("Stands"), "back": _("Taken back")}
# Beyond what the ledger's money can be.
MOST_MINOR = 10**15


def _agents(request: Any) -> QuerySet[User]:
    granted = GrantLedgerEntry.objects.filter(programme=request.programme)
    return User.objects.filter(pk__in=granted.values("agent")).order_by("username")


def _offers(request: Any) -> QuerySet[ConfigOffer]:
    granted = GrantLedgerEntry.objects.filter(programme=request.programme)
    return ConfigOffer.objects.filter(programme=request.programme, pk__in=granted.values("config_offer")).order_by(
        "name"
    )


def _amount(label: Any, method: str) -> MoneyFilter:
    widget = forms.TextInput(attrs=ATTRIBUTES | {"placeholder": label, "class": "amount"})
    return MoneyFilter(label=label, method=method, most=MOST_MINOR, widget=widget)


class LedgerFilter(django_filters.FilterSet):
    """What the address asks for. `batch` and `template` come from links only."""

    member = django_filters.CharFilter(
        label=_("Member"),
        field_name="member__external_id",
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Member's external id")}),
    )
    ticket = django_filters.CharFilter(
        label=_("Ticket"),
        method="filter_ticket",
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": _("Ticket")}),
    )
    agent = django_filters.ModelChoiceFilter(label=_("Agent"), queryset=_agents, empty_label=_("Any agent"))
    reason = django_filters.ChoiceFilter(label=_("Reason"), choices=[], empty_label=_("Any reason"))
    offer = django_filters.ModelChoiceFilter(
        label=_("Offer"), field_name="config_offer", queryset=_offers, empty_label=_("Any offer")
    )
    state = django_filters.ChoiceFilter(
        label=_("State"), choices=list(STATES.items()), empty_label=_("Any state"), method="filter_state"
    )
    approved = django_filters.ChoiceFilter(
        label=_("Approval"),
        choices=[("yes", _("Approved by a second person"))],
        empty_label=_("With and without approval"),
        method="filter_approved",
    )
    above = django_filters.ChoiceFilter(
        label=_("Against the median"),
        choices=[("yes", _("Above the median of its template"))],
        empty_label=_("Any amount"),
        method="filter_above",
    )
    least = _amount(_("Costs from"), "filter_least")
    most = _amount(_("Costs to"), "filter_most")
    week = DayFilter(label=_("Week of"), method="filter_week")
    since = DayFilter(label=_("from"), field_name="day", lookup_expr="gte")
    until = DayFilter(label=_("until"), field_name="day", lookup_expr="lte")
    template = django_filters.NumberFilter(field_name="template", widget=forms.HiddenInput, min_value=0)
    batch = django_filters.UUIDFilter(field_name="batch", widget=forms.HiddenInput)

    class Meta:
        model = GrantLedgerEntry
        fields: list[str] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        programme: Any = self.request.programme
        self.filters["reason"].extra["choices"] = list(reason.labels(programme=programme).items())

    def filter_ticket(self, queryset: Any, name: str, value: str) -> Any:
        """Keep what was granted for the ticket, however it was written."""
        return queryset.filter(ticket_key=ticket_key(value))

    def filter_state(self, queryset: Any, name: str, value: str) -> Any:
        """Keep what stands, or what was taken back."""
        return queryset.filter(ledger.IS_BACK if value == "back" else ~ledger.IS_BACK)

    def filter_approved(self, queryset: Any, name: str, value: str) -> Any:
        """Keep what a second person approved."""
        return queryset.filter(approved_by__isnull=False)

    def filter_above(self, queryset: Any, name: str, value: str) -> Any:
        """Keep what costs more than its template does in the middle of the days that are asked for."""
        given = self.form.cleaned_data
        first, last = given.get("since"), given.get("until")
        return queryset.filter(ledger.above_median(programme=self.request.programme, first=first, last=last))

    def filter_least(self, queryset: Any, name: str, value: int) -> Any:
        """Keep what costs so much or more."""
        return queryset.filter(exposure_minor__gte=value)

    def filter_most(self, queryset: Any, name: str, value: int) -> Any:
        """Keep what costs so much or less."""
        return queryset.filter(exposure_minor__lte=value)

    def filter_week(self, queryset: Any, name: str, value: date) -> Any:
        """Keep what was granted in the day's week, Monday to Sunday."""
        first = monday(value)
        return queryset.filter(day__gte=first, day__lte=first + timedelta(days=6))
