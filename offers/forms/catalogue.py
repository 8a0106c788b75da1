"""The form of a config offer: its own fields, each rule that is switched on, texts by language, extra fields.

What is acceptable is said by the service alone; the form only brings each problem to its place.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import get_language_info, gettext_lazy
from django.utils.translation import gettext as _

from loyalty.models import Programme
from loyalty.models.attribute import ValueType
from offers import rules
from offers.forms.rules import RulesForm, name_of
from offers.models import Audience, ConfigOffer, FieldDefinition, RepeatPolicy
from offers.selectors import channel
from offers.selectors import field as field_selectors
from offers.services import catalogue, catalogue_values

SWITCH = "rule_on"
TEXT_LABELS = {
    "name": gettext_lazy("Name"),
    "description": gettext_lazy("Description"),
    "how_to_use": gettext_lazy("How to use it"),
    "conditions": gettext_lazy("Conditions"),
}
TRISTATE = [("", "—"), ("true", gettext_lazy("Yes")), ("false", gettext_lazy("No"))]


class OfferForm(forms.Form):
    """`OfferForm(request.POST or None, programme=…, offer=…)`; then `values()` for the service."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    offer_reference = forms.CharField(
        label=gettext_lazy("Offer reference"),
        max_length=100,
        help_text=gettext_lazy("The key by which the till and the API know it. Fixed once it is published."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    image_url = forms.CharField(
        label=gettext_lazy("Image URL"), required=False, widget=forms.TextInput(attrs={"inputmode": "url"})
    )
    web_page_url = forms.CharField(
        label=gettext_lazy("Web page URL"), required=False, widget=forms.TextInput(attrs={"inputmode": "url"})
    )
    external_id = forms.CharField(
        label=gettext_lazy("External id"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("The id in your content system."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
    audience = forms.ChoiceField(
        label=gettext_lazy("For whom"), choices=Audience, initial=Audience.PERSONALIZED, widget=forms.RadioSelect
    )
    repeat_policy = forms.ChoiceField(
        label=gettext_lazy("How often a member may be given it"),
        choices=RepeatPolicy,
        initial=RepeatPolicy.ONCE_PER_CAMPAIGN,
        help_text=gettext_lazy("Fixed once it is published."),
    )
    rank = forms.IntegerField(
        label=gettext_lazy("Rank"), initial=100, help_text=gettext_lazy("Lower stands first in the member's list.")
    )
    require_vouchers = forms.BooleanField(
        label=gettext_lazy("Require vouchers"),
        required=False,
        help_text=gettext_lazy("Each assignment draws a code from this offer's bank."),
    )
    to_synchronize = forms.BooleanField(
        label=gettext_lazy("To synchronize"),
        required=False,
        help_text=gettext_lazy("Each assignment waits until the till has confirmed it."),
    )
    is_bearer = forms.BooleanField(
        label=gettext_lazy("The code works for its bearer"),
        required=False,
        help_text=gettext_lazy("The till takes the code without knowing the member, once."),
    )

    BASICS = ("name", "offer_reference", "description", "image_url", "web_page_url", "external_id")
    ASSIGNING = ("audience", "repeat_policy", "rank", "require_vouchers", "to_synchronize", "is_bearer")

    def __init__(self, data: Any = None, *, programme: Programme, offer: ConfigOffer | None = None) -> None:
        self.programme = programme
        self._is_checked = False
        self.offer = offer or ConfigOffer(programme=programme)
        self.own = list(field_selectors.own(programme=programme, table=FieldDefinition.Table.OFFERS))
        initial = {name: getattr(self.offer, name) for name in (*self.BASICS, *self.ASSIGNING)}
        super().__init__(data, initial=initial)
        for name, label in field_selectors.labels(programme=programme, table=FieldDefinition.Table.OFFERS).items():
            if name in self.fields:
                self.fields[name].label = label
        if self.offer.published_at is not None:
            for name in catalogue_values.FIXED_ONCE_PUBLISHED:
                self.fields[name].disabled = True
        self._add_texts()
        self._add_own()
        self.kinds_on = self._kinds_on()
        self.rules = self._rules_form()

    @property
    def basics(self) -> list[BoundField]:
        return [self[name] for name in self.BASICS]

    @property
    def assigning(self) -> list[BoundField]:
        return [self[name] for name in self.ASSIGNING]

    @property
    def languages(self) -> list[tuple[str, str, list[BoundField]]]:
        """Return code, name and fields of each of the programme's languages."""
        return [
            (language, _language_name(language), [self[f"text__{language}__{name}"] for name in catalogue_values.TEXTS])
            for language in self.programme.languages
        ]

    @property
    def own_fields(self) -> list[BoundField]:
        return [self[f"own__{field.name}"] for field in self.own]

    def is_valid(self) -> bool:
        """Bring together what the form, the rules and the service have to say, each at its field."""
        if self._is_checked or not self.is_bound:
            return self.is_bound and not self.errors and not self.rules.errors
        self._is_checked = True
        own_part, rules_part = super().is_valid(), self.rules.is_valid()
        troubled = {found["rule"] for found in self.rules.problems}
        for kind in self.kinds_on:
            if kind not in troubled and self._is_empty(kind):
                self.rules.add_error(
                    name_of(kind, rules.fields(kind)[0].name), _("Give its values, or switch this rule off.")
                )
        self.add_problems(catalogue.check(offer=self.offer, values=self.values()))
        return own_part and rules_part and not self.errors and not self.rules.errors

    def readable_terms(self) -> dict[str, Any]:
        """Return those rules that are whole already: what a preview can show while the others are being typed."""
        terms: dict[str, Any] = {}
        for kind in self.kinds_on:
            one = self._rules_form(kinds=[kind])
            if one.is_valid():
                terms |= one.terms
        return terms

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        given = self.cleaned_data
        values = {name: given[name] for name in (*self.BASICS, *self.ASSIGNING) if name in given}
        values["terms"] = self.rules.terms
        values["texts"] = {
            language: {name: given.get(f"text__{language}__{name}", "") for name in catalogue_values.TEXTS}
            for language in self.programme.languages
        }
        values["fields"] = {
            field.name: given[f"own__{field.name}"]
            for field in self.own
            if given.get(f"own__{field.name}") not in (None, "", [])
        }
        return values

    def add_problems(self, problems: Iterable[Mapping[str, Any]]) -> None:
        """Put each of a service's problems beside its field, where none stands yet."""
        for found in problems:
            place, message = str(found["field"]), str(found["message"])
            if found.get("rule"):
                name = name_of(found["rule"], place.partition("[")[0])
                if name not in self.rules.fields:
                    self.add_error(None, message)
                elif name not in self.rules.errors:
                    self.rules.add_error(name, message)
                continue
            kind, _dot, rest = place.partition(".")
            name = {"texts": f"text__{rest.replace('.', '__')}", "fields": f"own__{rest}"}.get(kind, place)
            if name not in self.fields:
                self.add_error(None, message)
            elif name not in self.errors:
                self.add_error(name, message)

    def _kinds_on(self) -> list[str]:
        if not self.is_bound:
            return [kind for kind in rules.KINDS if kind in self.offer.terms]
        given = self.data.getlist(SWITCH) if hasattr(self.data, "getlist") else self.data.get(SWITCH, [])
        return [kind for kind in rules.KINDS if kind in given]

    def _rules_form(self, kinds: Iterable[str] = tuple(rules.KINDS)) -> RulesForm:
        data = None
        if self.is_bound:
            # What stands in a rule that is switched off is not given.
            data = cast(QueryDict, self.data).copy()
            for name in list(data):
                if name.partition("__")[0] in rules.KINDS and name.partition("__")[0] not in self.kinds_on:
                    del data[name]
        return RulesForm(
            data,
            kinds=kinds,
            required=(),
            currency=self.programme.currency,
            zone=self.programme.zone,
            terms=self.offer.terms,
            channels=channel.choices(programme=self.programme),
        )

    def _is_empty(self, kind: str) -> bool:
        given = self.rules.cleaned_data
        return all(given.get(name_of(kind, field.name)) in (None, "", []) for field in rules.fields(kind))

    def _add_texts(self) -> None:
        for language in self.programme.languages:
            for name, longest in catalogue_values.TEXTS.items():
                widget = forms.TextInput() if name == "name" else forms.Textarea(attrs={"rows": 2})
                widget.attrs["lang"] = language
                self.fields[f"text__{language}__{name}"] = forms.CharField(
                    label=TEXT_LABELS[name],
                    required=False,
                    max_length=longest,
                    initial=(self.offer.texts.get(language) or {}).get(name, ""),
                    widget=widget,
                )

    def _add_own(self) -> None:
        for definition in self.own:
            made = own_field(definition)
            made.initial = self.offer.fields.get(definition.name)
            self.fields[f"own__{definition.name}"] = made


class Lines(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]


def own_field(definition: FieldDefinition) -> forms.Field:
    """Return the form field of an extra field's type (S4-11)."""
    options: dict[str, Any] = {"label": definition.label, "required": False}
    if definition.type == ValueType.NUMBER:
        return forms.DecimalField(**options)
    if definition.type == ValueType.DATE:
        return forms.DateField(**options, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    if definition.type == ValueType.BOOLEAN:
        return forms.TypedChoiceField(
            **options, choices=TRISTATE, coerce=lambda value: value == "true", empty_value=None, widget=YesNo
        )
    if definition.type == ValueType.LIST:
        return Lines(**options)
    return forms.CharField(**options)


class YesNo(forms.Select):
    """Shows a stored True or False as the choice it was."""

    def format_value(self, value: Any) -> Any:
        return super().format_value({True: "true", False: "false"}.get(value, value))


def _language_name(code: str) -> str:
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


class CatalogueFilter(forms.Form):
    """The catalogue list's bar; everything stands in the address."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": gettext_lazy("Name, reference, external id")}),
    )
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        choices=[("", gettext_lazy("Every state")), *ConfigOffer.State.choices],
    )
    audience = forms.ChoiceField(
        label=gettext_lazy("For whom"),
        required=False,
        choices=[
            ("", gettext_lazy("For anyone")),
            (Audience.PERSONALIZED, gettext_lazy("Personalized")),
            (Audience.EVERYONE, gettext_lazy("For everyone")),
        ],
    )
