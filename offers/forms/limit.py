"""The form of the limits of an offer or a campaign; money is typed in major units.

What is acceptable is the service's to say; the form says it in the words of the page, of money in major units, and
brings what only the service knows to its field.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from offers.forms.money import MoneyField, in_currency
from offers.models import Campaign, ConfigOffer, Limit
from offers.services.limit_settings import LARGEST

COUNTS = ("cap", "daily_cap", "per_member")
# The form's field: the service's name.
AMOUNTS = {"budget": "budget_minor", "daily_budget": "daily_budget_minor"}
NOT_A_COUNT = _("Give a whole number, 0 or more, or nothing.")
NOT_A_SHARE = _("Give a whole number, 1 or more, or nothing.")
TOO_MANY = _("Give a whole number, at most %(limit_value)s, or nothing.")
COUNT_ERRORS = {"invalid": NOT_A_COUNT, "min_value": NOT_A_COUNT, "max_value": TOO_MANY}
NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}


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
    budget = MoneyField(
        label=_("Budget, in all"),
        required=False,
        most=LARGEST["budget_minor"],
        help_text=_("Spent by the most that each assignment may cost."),
    )
    daily_budget = MoneyField(label=_("Budget, per day"), required=False, most=LARGEST["daily_budget_minor"])
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
        super().__init__(data, initial=self._initial(limit))
        in_currency(self, owner.programme.currency)
        if isinstance(owner, ConfigOffer):
            del self.fields["per_member"]

    def _initial(self, limit: Limit | None) -> dict[str, Any]:
        if limit is None:
            return {"is_budget_hard": "true"}
        found: dict[str, Any] = {name: getattr(limit, name) for name in COUNTS}
        found |= {name: getattr(limit, of_model) for name, of_model in AMOUNTS.items()}
        return found | {"is_budget_hard": str(limit.is_budget_hard).lower()}

    def values(self) -> dict[str, Any]:
        """Return what the service takes; what is left empty takes a limit away."""
        given: Mapping[str, Any] = self.cleaned_data
        values = {name: given.get(name) for name in COUNTS if name in self.fields}
        values |= {of_model: given.get(name) for name, of_model in AMOUNTS.items()}
        return values | {"is_budget_hard": given["is_budget_hard"]}

    def add_problems(self, problems: Iterable[Mapping[str, Any]]) -> None:
        """Bring each problem that the service found to its field."""
        of_form = {of_model: name for name, of_model in AMOUNTS.items()}
        for found in problems:
            name = of_form.get(found["field"], found["field"])
            self.add_error(name if name in self.fields else None, found["message"])
