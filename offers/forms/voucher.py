"""The forms of a voucher bank: a file of codes, and below how many to ask for more."""

from datetime import date, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from loyalty import clock
from loyalty.models import Programme
from offers.forms.day import DayField
from offers.services.voucher_generation import UNAMBIGUOUS


class ExpiringForm(forms.Form):
    """`expires` becomes the end of that day in the programme's zone."""

    expires = DayField(
        label=_("The codes expire after"),
        required=False,
        help_text=_("Empty: never. Those that expire first are drawn first."),
    )

    def __init__(self, *args: Any, programme: Programme, **options: Any) -> None:
        self.programme = programme
        super().__init__(*args, **options)

    @property
    def expires_at(self) -> datetime | None:
        """Return the half-open end of the chosen day."""
        day: date | None = self.cleaned_data.get("expires")
        return clock.end_of_day(day, self.programme.zone) if day else None


class VoucherFileForm(ExpiringForm):
    """What stands in the file is the service's."""

    field_order = ("file", "expires")

    file = forms.FileField(
        label=_("File of codes"),
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".txt,.csv,text/plain,text/csv", "data-limit": settings.VOUCHER_FILE_MAX_BYTES}
        ),
        error_messages={"required": _("Choose a file.")},
    )


class GenerationForm(ExpiringForm):
    """What is wrong with a pattern is the service's to say."""

    count = forms.IntegerField(label=_("How many"))
    pattern = forms.CharField(
        label=_("Pattern"), initial="????-????-????", max_length=100, help_text=_("Each ? becomes a random character.")
    )
    characters = forms.CharField(
        label=_("Random characters"), initial=UNAMBIGUOUS, max_length=100, help_text=_("None that look alike.")
    )


class LowStockForm(forms.Form):
    low_stock_at = forms.IntegerField(label=_("Warn below"), min_value=0, max_value=100_000_000)


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=100,
        help_text=_("The whole code."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class VoidForm(CodeForm):
    reason = forms.CharField(label=_("Reason"), max_length=200)


class BankFilter(forms.Form):
    """The banks list's bar."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Offer or reference")}),
    )
    stock = forms.ChoiceField(
        label=_("Stock"), required=False, choices=[("", _("Any stock")), ("low", _("Low on codes"))]
    )
