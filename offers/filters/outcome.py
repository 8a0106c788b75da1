"""The filters of a run's members; the same ones decide what an export holds."""

from typing import Any

import django_filters
from django import forms
from django.utils.translation import gettext_lazy as _

from offers.models import AudienceMember
from offers.selectors.audience import LABELS, SINCE_LABELS, Wanted


class OutcomeFilter(django_filters.FilterSet):
    """Checks what the address asks for; the reading itself is the selector's, by keyset."""

    text = django_filters.CharFilter(
        label=_("Member"),
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Part of a member's id")}),
    )
    outcome = django_filters.ChoiceFilter(
        label=_("Outcome"), choices=list(LABELS.items()), empty_label=_("Any outcome")
    )
    since = django_filters.ChoiceFilter(
        label=_("Since then"), choices=list(SINCE_LABELS.items()), empty_label=_("Whatever became of it")
    )

    class Meta:
        model = AudienceMember
        fields: list[str] = []

    def __init__(self, data: Any, *, is_by_name: bool = False) -> None:
        super().__init__(data, queryset=AudienceMember.objects.none())
        self.is_by_name = is_by_name
        if is_by_name:
            self.form.fields["text"].widget.attrs["placeholder"] = _("Part of a member's id or name")

    @property
    def wanted(self) -> Wanted | None:
        """Return whom the address asks for, or None where it asks for something that is not there."""
        if not self.form.is_valid():
            return None
        values = self.form.cleaned_data
        return Wanted(values["outcome"], values["since"], values["text"], self.is_by_name)
