"""The form of a member's contact data; what is acceptable is the service's to say, as for the API and imports."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty import contact
from loyalty.models import Member
from loyalty.services import contact_data

MASKED = {"email": contact.masked_email, "phone": contact.masked_phone}


class ContactForm(forms.Form):
    """Who may not see an address gets it masked beside an empty field: left empty, it stays as it is."""

    # What the editor saw, so that two editors do not overwrite each other unseen.
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)
    first_name = forms.CharField(label=_("First name"), required=False, max_length=100)
    last_name = forms.CharField(label=_("Last name"), required=False, max_length=100)
    email = forms.CharField(
        label=_("E-mail"), required=False, max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    remove_email = forms.BooleanField(label=_("Remove the e-mail address"), required=False)
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )
    remove_phone = forms.BooleanField(label=_("Take the phone number away"), required=False)
    language = forms.CharField(label=_("Language"), required=False, max_length=8, help_text=_("Such as en or fr."))
    city = forms.CharField(label=_("City"), required=False, max_length=100)
    country = forms.CharField(label=_("Country"), required=False, max_length=2, help_text=_("Two letters, such as FR."))
    timezone = forms.CharField(
        label=_("Time zone"),
        required=False,
        max_length=64,
        help_text=_("Such as Europe/Paris. Empty: the programme's."),
    )

    def __init__(self, data: Any = None, *, member: Member, sees: bool, **options: Any) -> None:
        self.member, self.sees = member, sees
        initial = {name: getattr(member, name) for name in contact_data.FIELDS if sees or name not in MASKED}
        super().__init__(data, initial=initial | {"seen": contact_data.version(member)}, **options)
        for name, masked in MASKED.items():
            known = masked(getattr(member, name))
            if sees or not known:
                del self.fields[f"remove_{name}"]
            if not sees and known:
                text = gettext("Now %(masked)s. Empty: it stays.")
                self.fields[name].help_text = text % {"masked": known}
        self.fields["first_name"].widget.attrs["autofocus"] = True

    def values(self) -> dict[str, str]:
        """Return what to change, once the form is valid: a masked value that was left empty is not in it."""
        given = self.cleaned_data
        values = {name: given[name].strip() for name in contact_data.FIELDS}
        values["country"] = values["country"].upper()
        for name in MASKED:
            is_kept = not self.sees and not values[name]
            if given.get(f"remove_{name}"):
                values[name] = ""
            elif is_kept:
                del values[name]
        return values

    def add_problems(self, problems: Iterable[Mapping[str, Any]]) -> None:
        """Bring each problem that the service found to its field."""
        for found in problems:
            self.add_error(found["field"] if found["field"] in self.fields else None, found["message"])

    def begin_anew(self, member: Member) -> list[tuple[str, str]]:
        """Take the state of now as seen, and return what differs from what was typed: label and value of now."""
        data = cast(QueryDict, self.data).copy()
        data["seen"] = contact_data.version(member)
        self.data = data
        typed = self.values()
        return [
            (str(self.fields[name].label), self._shown(name, getattr(member, name)))
            for name, value in typed.items()
            if getattr(member, name) != value
        ]

    def _shown(self, name: str, value: str) -> str:
        if not value:
            return gettext("none")
        return value if self.sees or name not in MASKED else MASKED[name](value)
