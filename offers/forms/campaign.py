"""The bar above the list of campaigns."""

from django import forms
from django.utils.translation import gettext_lazy as _


class CampaignFilter(forms.Form):
    q = forms.CharField(
        label=_("Search"),
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name, external id or type")}),
    )
