"""The form of an offer template: its config offer, and which rules must be given."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme
from offers import rules
from offers.models import ConfigOffer, OfferTemplate
from offers.selectors import template as selectors
from offers.services import template as service

FIELDS = ("name", "required_rules", "desk_roles", "description", "external_id")


class OfferTemplateForm(forms.Form):
    """`OfferTemplateForm(request.POST or None, programme=…, template=…)`; then `values()` for the service."""

    config_offer = forms.ModelChoiceField(
        label=_("Config offer"),
        queryset=ConfigOffer.objects.none(),
        empty_label=_("Choose an offer"),
        help_text=_("Fixed once it is saved."),
    )
    name = forms.CharField(label=_("Name"), max_length=200)
    required_rules = forms.MultipleChoiceField(
        label=_("Rules that must be given"),
        choices=lambda: [(kind, rule.label) for kind, rule in rules.KINDS.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("Every assignment with this template sets these; they override the offer's own."),
    )
    desk_roles = forms.MultipleChoiceField(
        label=_("Who may grant it at the desk"),
        choices=lambda: [(name, name) for name in selectors.desk_roles()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("Nobody ticked: every role that may grant. Doors of machines and runs are not limited by it."),
    )
    description = forms.CharField(label=_("Description"), required=False, widget=forms.Textarea(attrs={"rows": 2}))
    external_id = forms.CharField(
        label=_("External id"),
        required=False,
        max_length=200,
        help_text=_("The id in your content system."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        programme: Programme,
        template: OfferTemplate | None = None,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        self.template = template or OfferTemplate(programme=programme)
        known = {name: getattr(template, name) for name in FIELDS} if template else {}
        super().__init__(data, initial={**(initial or {}), **known})
        offers = selectors.offers_to_choose(programme=programme)
        if template is not None:
            del self.fields["config_offer"]
        else:
            cast("forms.ModelChoiceField[ConfigOffer]", self.fields["config_offer"]).queryset = offers

    def is_valid(self) -> bool:
        """Let the service say what is wrong, at its field."""
        own_part = super().is_valid()
        if self.is_bound:
            self.add_problems(service.check(template=self.template, values=self.values()))
        return own_part and not self.errors

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        return dict(self.cleaned_data)

    def add_problems(self, problems: Iterable[Mapping[str, Any]]) -> None:
        """Put each of the service's problems beside its field, where none stands yet."""
        for found in problems:
            name = found["field"] if found["field"] in self.fields else None
            if name is None or name not in self.errors:
                self.add_error(name, found["message"])


class TemplateFilter(forms.Form):
    """The templates list's bar."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name, offer, external id")}),
    )
    rule = forms.ChoiceField(
        label=_("Requires"),
        required=False,
        choices=lambda: [("", _("Any rules")), *((kind, rule.label) for kind, rule in rules.KINDS.items())],
    )
    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("In use")), ("archived", _("Archived")), ("all", _("All"))]
    )
