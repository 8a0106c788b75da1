"""Which days supervision looks at, as the address says."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme
from offers.forms.day import DayField
from support.selectors import period as periods
from support.selectors.period import OWN, Period


class PeriodForm(forms.Form):
    period = forms.ChoiceField(label=_("Period"), choices=list(periods.LABELS.items()), required=False)
    since = DayField(label=_("from"), required=False)
    until = DayField(label=_("until"), required=False)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("period") != OWN or self.errors:
            return given
        first, last = given.get("since"), given.get("until")
        if first is None or last is None:
            self.add_error("since" if first is None else "until", _("Own dates need a first and a last day."))
        elif last < first:
            self.add_error("until", _("The last day lies before the first."))
        elif (last - first).days >= periods.MOST_DAYS:
            words = {"most": periods.MOST_DAYS}
            self.add_error("until", _("At most %(most)d days are shown at once. Choose fewer.") % words)
        return given


def chosen(form: PeriodForm, *, programme: Programme, now: datetime) -> Period:
    """Return what the form asks for: the last 28 days where it asks for nothing, or for what cannot be."""
    if not form.is_valid():
        return periods.named(programme=programme, name=periods.RECENT, now=now)
    given = form.cleaned_data
    if given["period"] == OWN:
        return Period(OWN, given["since"], given["until"])
    return periods.named(programme=programme, name=given["period"], now=now)
