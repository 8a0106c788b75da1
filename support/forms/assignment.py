"""Why an assignment is changed, and until when."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from offers.forms.day import DayField
from offers.rules import moment


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=200, help_text=_("Kept with the offer's history."))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Where its dialog begins: at the first field that is wrong, else at the first of all.
        wrong = [name for name in self.fields if self.is_bound and name in self.errors]
        first = (wrong or list(self.fields))[0]
        self.fields[first].widget.attrs["autofocus"] = True


class RevokeForm(ReasonForm):
    pass


class CloseForm(ReasonForm):
    pass


class LastDayForm(ReasonForm):
    """A reason, and the last day on which the offer may be used."""

    last_day = DayField(
        label=_("Last day"),
        help_text=_("Usable to the end of it."),
    )
    field_order = ("last_day", "reason")

    def ends_at(self, zone: ZoneInfo) -> datetime | None:
        """Return the half-open end of the chosen day in the programme's zone, once the form is valid."""
        day: date | None = self.cleaned_data["last_day"]
        return moment.after(day, zone) if day else None


class ExtendForm(LastDayForm):
    def end_of_last_day(self, zone: ZoneInfo) -> datetime:
        """Return the half-open end of the chosen day, which this form demands."""
        return moment.after(self.cleaned_data["last_day"], zone)


class ReissueForm(LastDayForm):
    last_day = DayField(
        label=_("Last day"),
        required=False,
        help_text=_("Empty: as the offer has it."),
    )
