"""The forms of allowances; money is typed in major units of the programme's currency."""

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme, User
from offers.forms.money import MoneyField, in_currency
from support.models import Allowance, MemberAllowance

# What the columns take, and more than any desk gives.
MOST = 1_000_000
MOST_MINOR = 10**13
NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}
NOT_A_COUNT = _("Give a whole number, 0 or more, or nothing.")
# The form's field: the model's.
AMOUNTS = {"day": "day_minor", "week": "week_minor", "single": "single_minor"}


def count(label: Any, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=MOST,
        error_messages={"invalid": NOT_A_COUNT, "min_value": NOT_A_COUNT},
        widget=forms.TextInput(attrs=NUMERIC),
        **options,
    )


def amount(label: Any, **options: Any) -> MoneyField:
    return MoneyField(label=label, required=False, most=MOST_MINOR, **options)


class AllowanceForm(forms.Form):
    """`AllowanceForm(data, programme=…, row=…)`; `whom` is fixed once it is saved."""

    whom = forms.ChoiceField(label=_("Whom it is for"))
    per_day = count(_("Grants per day"))
    day = amount(_("Money per day"))
    per_week = count(_("Grants per week"), help_text=_("Weeks begin on Monday."))
    week = amount(_("Money per week"))
    single = amount(
        _("Money of one grant"), help_text=_("A grant that may cost more than this waits, whatever else is left.")
    )

    def __init__(self, *args: Any, programme: Programme, row: Allowance | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_currency(self, programme.currency)
        self.roles = {role.pk: role for role in Group.objects.order_by("name")}
        people = User.objects.filter(programmes=programme, is_active=True).order_by("last_name", "username")
        self.people = {person.pk: person for person in people}
        self.row = row
        if row is not None:
            del self.fields["whom"]
            for name in ("per_day", "per_week"):
                self.initial.setdefault(name, getattr(row, name))
            for name, of_model in AMOUNTS.items():
                self.initial.setdefault(name, getattr(row, of_model))
            return
        taken = set(Allowance.objects.filter(programme=programme).values_list("user", "role"))
        whom = [("", _("Choose whom"))]
        whom += [("everybody", _("Everybody"))] if (None, None) not in taken else []
        roles = [(f"role {key}", role.name) for key, role in self.roles.items() if (None, key) not in taken]
        persons = [(f"user {key}", str(one)) for key, one in self.people.items() if (key, None) not in taken]
        choices: list[Any] = [*whom, (_("Roles"), roles), (_("People"), persons)]
        self.fields["whom"] = forms.ChoiceField(label=_("Whom it is for"), choices=choices)
        self.order_fields(["whom"])

    def whose(self) -> dict[str, Any]:
        """Return the person or the role, once the form is valid."""
        if self.row is not None:
            return {"user": self.row.user, "role": self.row.role}
        kind, _space, key = self.cleaned_data["whom"].partition(" ")
        return {
            "user": self.people[int(key)] if kind == "user" else None,
            "role": self.roles[int(key)] if kind == "role" else None,
        }

    def limits(self) -> dict[str, int | None]:
        """Return the limits by the model's names, once the form is valid."""
        counts = {name: self.cleaned_data[name] for name in ("per_day", "per_week")}
        return counts | {of_model: self.cleaned_data[name] for name, of_model in AMOUNTS.items()}


class MemberAllowanceForm(forms.Form):
    """What one member may be given; both limits empty is none."""

    days = forms.IntegerField(
        label=_("Within the last days"),
        min_value=1,
        max_value=3660,
        widget=forms.TextInput(attrs=NUMERIC),
        help_text=_("Today is one of them."),
    )
    number = count(_("Grants for one member"))
    money = amount(_("Money for one member"))

    def __init__(self, *args: Any, programme: Programme, row: MemberAllowance | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_currency(self, programme.currency)
        self.initial.setdefault("days", row.days if row else 90)
        if row is not None:
            self.initial.setdefault("number", row.number)
            self.initial.setdefault("money", row.amount_minor)
