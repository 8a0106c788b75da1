"""A day as people choose it, in the years that are kept: the end of every such day is a moment."""

from datetime import date
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from loyalty import years


def check(day: date) -> None:
    """Refuse a day whose beginning or end may be no moment."""
    if not years.are_kept(day):
        message = _("Give a year from %(first)d to %(last)d.") % {"first": years.FIRST, "last": years.LAST}
        raise ValidationError(message, code="year_out_of_range")


class DayField(forms.DateField):
    default_validators = [check]

    def __init__(self, **options: Any) -> None:
        options.setdefault("widget", forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
        super().__init__(**options)


class DayFilter(django_filters.DateFilter):
    field_class = DayField
