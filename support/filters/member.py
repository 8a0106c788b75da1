"""The filters of the list of members; the same ones decide what an export holds."""

from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty import staff
from loyalty.models import Member
from support.selectors import member as selectors


class MemberFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(
        label=_("Name, external id, e-mail or phone"),
        method="filter_text",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name, external id, e-mail or phone")}),
    )
    # For links from other systems; the box above finds it too.
    external_id = django_filters.CharFilter(widget=forms.HiddenInput)
    status = django_filters.ChoiceFilter(label=_("Status"), choices=Member.Status, empty_label=_("Any status"))
    kind = django_filters.ChoiceFilter(label=_("Kind"), choices=Member.Kind, empty_label=_("Any kind"))
    tier = django_filters.CharFilter(
        label=_("Tier"), lookup_expr="iexact", widget=forms.TextInput(attrs={"placeholder": _("Tier")})
    )
    city = django_filters.CharFilter(
        label=_("City"), lookup_expr="iexact", widget=forms.TextInput(attrs={"placeholder": _("City")})
    )

    class Meta:
        model = Member
        fields: list[str] = []

    def filter_text(self, queryset: QuerySet[Member], name: str, value: str) -> QuerySet[Member]:
        """Keep the members that the search box would find by the same text."""
        programme: Any = self.request.programme
        user: Any = self.request.user
        hits = selectors.search(
            programme=programme, text=value, limit=500, is_by_address=staff.may_learn_addresses(user)
        )
        return queryset.filter(pk__in=[hit.member.pk for hit in hits])
