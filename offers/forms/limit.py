"""The form of the limits of an offer or a campaign; money is typed in major units.

What is acceptable is the service's to say; the form says it in the words of the page, of money in major units, and
brings what only the service knows to its field.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty import money
from offers.models import Campaign, ConfigOffer, Limit
from offers.services.limit_settings import LARGEST

COUNTS = ("cap", "daily_cap", "per_member")
# The form's field: the service's name.
AMOUNTS = {"budget": "budget_minor", "daily_budget": "daily_budget_minor"}
NOT_A_COUNT = _("Give a whole number, 0 or more, or nothing.")
NOT_A_SHARE = _("Give a whole number, 1 or more, or nothing.")
NOT_AN_AMOUNT = _("Give an amount of money, such as 250 or 99.50, or nothing.")
TOO_MANY = _("Give a whole number, at most %(limit_value)s, or nothing.")
TOO_MUCH = _("Give an amount of money, at most %(most)s, or nothing.")
COUNT_ERRORS = {"invalid": NOT_A_COUNT, "min_value": NOT_A_COUNT, "max_value": TOO_MANY}
AMOUNT_ERRORS = {"invalid": NOT_AN_AMOUNT, "min_value": NOT_AN_AMOUNT}
NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}
DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}


class LimitForm(forms.Form):
    """`LimitForm(request.POST or None, owner=…, limit=…)`; then `values()` for the service."""

    cap = forms.IntegerField(
        label=_("At most, in all"),
        required=False,
        min_value=0,
        max_value=LARGEST["cap"],
        error_messages=COUNT_ERRORS,
        widget=forms.TextInput(attrs=NUMERIC),
    )
    daily_cap = forms.IntegerField(
        label=_("At most, per day"),
        required=False,
        min_value=0,
        max_value=LARGEST["daily_cap"],
        error_messages=COUNT_ERRORS,
        help_text=_("Days are the programme's. A run counts for the day on which it starts."),
        widget=forms.TextInput(attrs=NUMERIC),
    )
    budget = forms.DecimalField(
        label=_("Budget, in all"),
        required=False,
        min_value=0,
        error_messages=AMOUNT_ERRORS,
        help_text=_("Spent by the most that each assignment may cost."),
        widget=forms.TextInput(attrs=DECIMAL),
    )
    daily_budget = forms.DecimalField(
        label=_("Budget, per day"),
        required=False,
        min_value=0,
        error_messages=AMOUNT_ERRORS,
        widget=forms.TextInput(attrs=DECIMAL),
    )
    is_budget_hard = forms.TypedChoiceField(
        label=_("When a budget is used up"),
        choices=[("true", _("stop: nothing more is assigned")), ("false", _("warn, and go on assigning"))],
        coerce=lambda value: value == "true",
        widget=forms.RadioSelect,
    )
    per_member = forms.IntegerField(
        label=_("At most, per member"),
        required=False,
        min_value=1,
        max_value=LARGEST["per_member"],
        error_messages=dict.fromkeys(COUNT_ERRORS, NOT_A_SHARE) | {"max_value": TOO_MANY},
        help_text=_("How many offers of this campaign one member may be given, whichever they are."),
        widget=forms.TextInput(attrs=NUMERIC),
    )

    def __init__(self, data: Any = None, *, owner: ConfigOffer | Campaign, limit: Limit | None) -> None:
        self.currency = owner.programme.currency
        super().__init__(data, initial=self._initial(limit))
        if isinstance(owner, ConfigOffer):
            del self.fields["per_member"]

    def _initial(self, limit: Limit | None) -> dict[str, Any]:
        if limit is None:
            return {"is_budget_hard": "true"}
        found: dict[str, Any] = {name: getattr(limit, name) for name in COUNTS}
        for name, of_model in AMOUNTS.items():
            minor = getattr(limit, of_model)
            found[name] = None if minor is None else money.to_major(minor, self.currency)
        return found | {"is_budget_hard": str(limit.is_budget_hard).lower()}

    def clean(self) -> dict[str, Any]:
        """Refuse fractions smaller than the currency has, which the service would have to round, and too much money.

        The service would name its most in minor units.
        """
        cleaned = dict(super().clean() or {})
        digits = money.digits(self.currency)
        for name in AMOUNTS:
            amount: Decimal | None = cleaned.get(name)
            most = LARGEST[AMOUNTS[name]]
            if amount is not None and amount > money.to_major(most, self.currency):
                self.add_error(name, TOO_MUCH % {"most": money.display(most, self.currency)})
            elif amount is not None and amount != round(amount, digits):
                message = gettext("%(currency)s has %(n)d digits after the point.")
                self.add_error(name, message % {"currency": self.currency, "n": digits})
        return cleaned

    def values(self) -> dict[str, Any]:
        """Return what the service takes; what is left empty takes a limit away."""
        given: Mapping[str, Any] = self.cleaned_data
        values = {name: given.get(name) for name in COUNTS if name in self.fields}
        for name, of_model in AMOUNTS.items():
            amount = given.get(name)
            values[of_model] = None if amount is None else money.to_minor(amount, self.currency)
        return values | {"is_budget_hard": given["is_budget_hard"]}

    def add_problems(self, problems: Iterable[Mapping[str, Any]]) -> None:
        """Bring each problem that the service found to its field."""
        of_form = {of_model: name for name, of_model in AMOUNTS.items()}
        for found in problems:
            name = of_form.get(found["field"], found["field"])
            self.add_error(name if name in self.fields else None, found["message"])
