"""A mass assignment in the making: four steps in one page, kept in its address, so that a reload loses nothing.

`Draft` reads the address (or what was sent) and says which step is open, what is still missing, and how the address
looks with something changed. Nothing is written before the launch.
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models.functions import Lower
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from loyalty import clock, whole_number
from loyalty.models import Programme
from offers import rules
from offers.forms.run_moment import FIELDS as MOMENT_FIELDS
from offers.forms.run_moment import MomentForm
from offers.forms.run_rules import RunRulesForm
from offers.models import Campaign, OfferTemplate, Targeting, TargetingVersion
from offers.selectors import mass_assignment as selectors
from offers.selectors import targeting as targetings
from offers.services import audience
from offers.services.audience import HoldOut

STEPS = ("offer", "terms", "audience", "options")
OPTIONS = ("name", "campaign", "hold_out", "rank", *MOMENT_FIELDS)
KEPT = ("reference", "template", "terms", "targeting", *OPTIONS)
RANKS = [MinValueValidator(-32_768), MaxValueValidator(32_767)]
MOST_HELD_OUT = Decimal("99.99")


def check_hold_out(percent: Decimal) -> None:
    """Refuse what is no share to hold out, in one sentence whatever is wrong with it."""
    if not 0 <= percent <= MOST_HELD_OUT or percent != round(percent, 2):
        raise ValidationError(_("Give a percentage from 0 to 99.99, with two decimals at most."), code="no_share")


class OptionsForm(MomentForm):
    """What a run may have besides offer, terms and audience; all of it optional."""

    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        required=False,
        help_text=_("Empty: the offer and the audience."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    campaign = forms.ModelChoiceField(
        label=_("Campaign"),
        queryset=Campaign.objects.none(),
        required=False,
        empty_label=_("None: the run stands for itself"),
        help_text=_("A member gets an offer once in a campaign, whichever run or agent gives it."),
    )
    hold_out = forms.DecimalField(
        label=_("Hold out"),
        required=False,
        validators=[check_hold_out],
        help_text=_("Percent who get nothing, to compare with: the same members in each run of a campaign."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    rank = forms.IntegerField(
        label=_("Rank"),
        required=False,
        validators=RANKS,
        help_text=_("Lower stands first in the member's list. Empty: as the offer says."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, *, programme: Programme, **options: Any) -> None:
        super().__init__(data, programme=programme, **options)
        self.order_fields(OPTIONS)
        campaigns = Campaign.objects.filter(programme=programme, is_of_run=False).order_by(Lower("name"), "name", "pk")
        cast("forms.ModelChoiceField[Campaign]", self.fields["campaign"]).queryset = campaigns


class Draft:
    """What is chosen so far. `data` is the address' or the sent form's; whatever it holds wrongly is not chosen."""

    def __init__(self, data: QueryDict, *, programme: Programme) -> None:
        self.data = data
        self.programme = programme

    @cached_property
    def reference(self) -> uuid.UUID:
        """Return the reference of this form, the same one however often it is sent."""
        try:
            return uuid.UUID(self.data.get("reference", ""))
        except ValueError:
            return uuid.uuid4()

    @cached_property
    def template(self) -> OfferTemplate | None:
        return selectors.template_to_run(
            programme=self.programme, template_id=whole_number.read(self.data.get("template"))
        )

    @cached_property
    def required(self) -> list[str]:
        return rules.description.ordered(self.template.required_rules) if self.template else []

    @cached_property
    def base(self) -> Mapping[str, Any]:
        """Return the terms that the offer itself has, under which nothing is given."""
        offer = self.template.config_offer if self.template else None
        return offer.current_revision.terms if offer and offer.current_revision else {}

    @cached_property
    def rules(self) -> RunRulesForm:
        """Return the form for the template's rules and those that may be set otherwise (S0-07, S0-08, S1-05)."""
        is_typed = any(name.partition("__")[0] in rules.KINDS for name in self.data)
        return RunRulesForm(
            self.data if is_typed or "terms" in self.data else None,
            kinds=[*self.required, *(kind for kind in rules.KINDS if kind not in (*self.required, "personal"))],
            required=self.required,
            programme=self.programme,
            today=clock.now().astimezone(self.programme.zone).date(),
            terms={kind: self.base[kind] for kind in self.required if kind in self.base},
        )

    @property
    def terms(self) -> dict[str, Any]:
        """Return the values given, once the rules are valid; nothing while they are not."""
        return self.rules.terms if self.rules.is_bound and self.rules.is_valid() else {}

    @property
    def member_values(self) -> dict[str, Any]:
        """Return the rules of which a field differs per member, once they are valid (S1-05)."""
        return self.rules.member_values if self.rules.is_bound and self.rules.is_valid() else {}

    @cached_property
    def targeting(self) -> Targeting | None:
        chosen = whole_number.read(self.data.get("targeting"))
        return targetings.saved(self.programme).filter(pk=chosen).first() if chosen else None

    @property
    def version(self) -> TargetingVersion | None:
        return self.targeting.current_version if self.targeting else None

    @cached_property
    def options(self) -> OptionsForm:
        return OptionsForm(self.data, programme=self.programme)

    @cached_property
    def done(self) -> dict[str, bool]:
        """Say of each step whether it is done; terms are when their form was sent, or when none is required."""
        has_template = self.template is not None
        is_confirmed = self.data.get("terms") == "set" or not (self.required or self.rules.is_bound)
        is_acceptable = not self.rules.is_bound or self.rules.is_valid()
        return {
            "offer": has_template,
            "terms": has_template and is_confirmed and is_acceptable,
            "audience": self.version is not None,
            "options": self.options.is_valid(),
        }

    @cached_property
    def step(self) -> str:
        """Return the open step: the one asked for when it can be, else the first that is not done, else none."""
        asked = self.data.get("step", "")
        if asked in STEPS and (asked == "offer" or self.done["offer"]):
            return asked
        return next((step for step in STEPS if not self.done[step]), "")

    @property
    def is_complete(self) -> bool:
        return all(self.done.values())

    @property
    def chosen(self) -> tuple[OfferTemplate, TargetingVersion]:
        """Return the template and the audience of a complete draft."""
        if self.template is None or self.version is None:
            raise ValueError("Ask for these once the draft is complete.")
        return self.template, self.version

    @property
    def held_out(self) -> HoldOut | None:
        """Return whom a run of this complete draft would hold out."""
        given = self.options.cleaned_data
        return audience.hold_out(
            percent=given["hold_out"] or Decimal(0), campaign=given["campaign"], reference=self.reference
        )

    @property
    def name(self) -> str:
        """Return what the run will be called."""
        given = str(self.data.get("name", "")).strip()
        if given or not (self.template and self.targeting):
            return given
        return f"{self.template.config_offer.name} → {self.targeting.name}"

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """Return what the address holds, without some steps' own parts: hidden inputs of the other steps' forms."""
        pairs = [("reference", str(self.reference))]
        for name, values in self.data.lists():
            part = "terms" if name.partition("__")[0] in rules.KINDS and "__" in name else name
            if name == "reference" or part in without or (name not in KEPT and part == name):
                continue
            pairs += [(name, value) for value in values if value != ""]
        return pairs

    def address(self, *without: str, **changes: Any) -> str:
        """Return this draft's query string without some parts and with some changed."""
        query = QueryDict(mutable=True)
        for name, value in self.kept(*without, *changes):
            query.appendlist(name, value)
        for name, value in changes.items():
            query[name] = str(value)
        return f"?{query.urlencode()}"
