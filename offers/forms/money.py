"""An amount of money as people write it: one reading for every form and filter (D-08)."""

from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from loyalty import money

ATTRIBUTES = {"inputmode": "decimal", "autocomplete": "off"}


class MoneyField(forms.Field):
    """Typed and shown in major units of the currency; its value, like its initial one, is minor units.

    A form that knows the currency says it: `in_currency(form, "EUR")`. Below 0 is refused, and above `most`.
    """

    widget = forms.TextInput

    def __init__(self, *, most: int, currency: str = "", **options: Any) -> None:
        self.most, self.currency = most, currency
        options.setdefault("widget", forms.TextInput(attrs=ATTRIBUTES))
        super().__init__(**options)

    def to_python(self, value: Any) -> int | None:
        """Return minor units; None for nothing. Raises ValidationError with a sentence that says what to write."""
        text = str(value).strip() if value is not None else ""
        if not text:
            return None
        try:
            return money.read(text, self.currency)
        except money.TooLong as error:
            raise (self._too_much() if text.isdecimal() else ValidationError(str(error), code=error.code)) from error
        except money.Unreadable as error:
            raise ValidationError(str(error), code=error.code) from error

    def validate(self, value: int | None) -> None:
        """Refuse less than nothing, and more than there can be."""
        super().validate(value)
        if value is not None and value < 0:
            raise ValidationError(_("Give an amount of 0 or more."), code="min_value")
        if value is not None and value > self.most:
            raise self._too_much()

    def prepare_value(self, value: Any) -> Any:
        """Show minor units as they are typed; what was typed as it was."""
        return f"{money.to_major(value, self.currency):f}" if isinstance(value, int) else value

    def _too_much(self) -> ValidationError:
        most = money.display(self.most, self.currency)
        return ValidationError(_("Give an amount of money, at most %(most)s.") % {"most": most}, code="max_value")


class MoneyFilter(django_filters.Filter):
    """Keeps by an amount, in the currency of the request's programme."""

    field_class = MoneyField

    @property
    def field(self) -> forms.Field:
        found: MoneyField = super().field
        found.currency = self.parent.request.programme.currency
        return found


def in_currency(form: forms.BaseForm, currency: str) -> None:
    """Have a form's amounts read and shown in the currency."""
    for field in form.fields.values():
        if isinstance(field, MoneyField):
            field.currency = currency
