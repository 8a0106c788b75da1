from django import forms
from django.utils.translation import gettext_lazy as _


class UndoForm(forms.Form):
    """Why a whole run is taken back; kept with each assignment's history."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("such as: wrong audience")}),
    )
