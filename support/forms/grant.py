"""The grant panel's form: what the template asks for, and why it is granted."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme
from offers.forms.rules import RulesForm
from offers.models import OfferTemplate
from offers.selectors import channel
from support.selectors import reason
from support.services.grant import Why

# Rules that an agent may set though the template does not ask for them; the rest stays as the offer has it.
OPTIONAL = ("validity", "redemption_limit")


class WhyForm(forms.Form):
    # Made with the form: sent twice, it is the same grant.
    reference = forms.UUIDField(widget=forms.HiddenInput)
    ticket = forms.CharField(
        label=_("Ticket"), max_length=60, required=False, widget=forms.TextInput(attrs={"placeholder": "#48213"})
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Kept with the offer's history. The member does not see it."),
    )

    def __init__(self, *args: Any, programme: Programme, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [("", _("Choose a reason")), *reason.choices(programme=programme)]
        self.fields["reason"] = forms.ChoiceField(label=_("Reason"), choices=offered)

    def why(self) -> Why:
        """Return what the agent said, once the form is valid."""
        said = self.cleaned_data
        return Why(reason=said["reason"], ticket=said["ticket"].strip(), note=said["note"].strip())


def why_form(programme: Programme, data: Any = None, *, reference: uuid.UUID | str | None = None) -> WhyForm:
    """Return the form for the reason, new or filled in: one of those that the programme's administrator offers."""
    return WhyForm(data, programme=programme, initial={"reference": reference})


def rules_form(template: OfferTemplate, data: Any = None) -> RulesForm:
    """Return the form for the template's rules: the required ones begin with the offer's own values (S0-07, S0-08).

    The template's offer comes with its current revision and programme.
    """
    offer = template.config_offer
    required = list(template.required_rules)
    own = offer.current_revision.terms if offer.current_revision else offer.terms
    return RulesForm(
        data,
        kinds=[*required, *(kind for kind in OPTIONAL if kind not in required)],
        required=required,
        currency=offer.programme.currency,
        zone=offer.programme.zone,
        terms={kind: value for kind, value in own.items() if kind in required},
        channels=channel.choices(programme=offer.programme),
    )
