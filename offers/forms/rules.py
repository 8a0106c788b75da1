"""A form made from a list of rule kinds: the same fields for marketers, agents and mass assignments (B-15).

    form = RulesForm(request.POST or None, kinds=template.required_rules, currency="EUR", zone=programme.zone,
                     terms=given_before)
    if form.is_valid():
        form.terms   # canonical, as stored

People write major units, dates of the programme's zone, ids one a line; terms have minor units and ISO texts. What is
acceptable is said by `rules.parse` alone, so the form's sentences are those of every other door.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import money
from offers import rules
from offers.rules import problem
from offers.rules.rule import LARGEST_AMOUNT

BLANK = ("", "—")
YES_OR_NO = (("true", gettext_lazy("Yes")), ("false", gettext_lazy("No")))
UNITS = {"percent": "%", "points": gettext_lazy("points"), "days": gettext_lazy("days"), "times": gettext_lazy("times")}
# A number far beyond every bound, so that nobody makes the machine scale it.
LONGEST_NUMBER = 30


class Unchecked(forms.Field):
    """A field that takes what was typed: converting and refusing is the form's, in one place."""

    unit: Any = ""

    def validate(self, value: Any) -> None:
        """Leave it to the rules."""

    def to_python(self, value: Any) -> Any:
        """Return the text without blanks around it, or the list of what was ticked."""
        return value if value is None or isinstance(value, list) else str(value).strip()


@dataclass(frozen=True)
class Section:
    """One rule's part of the form."""

    kind: str
    label: str
    help: str
    is_required: bool
    fields: list[BoundField]


class RulesForm(forms.Form):
    """Fields `benefit__size` and so on for the kinds; after `is_valid()`, `terms` has the rules that were given.

    `kinds` are shown in form order; those in `required` (all of them, unless given) must be given (S0-07), the others
    may be left empty. `terms` are the values to begin with. `channels` are codes and labels to choose from.
    """

    def __init__(
        self,
        data: Any = None,
        *,
        kinds: Iterable[str],
        currency: str,
        zone: ZoneInfo,
        required: Iterable[str] | None = None,
        terms: Mapping[str, Any] | None = None,
        channels: Iterable[tuple[str, str]] = (),
        **options: Any,
    ) -> None:
        self.kinds = rules.description.ordered(kinds)
        self.required = set(self.kinds if required is None else required)
        self.currency, self.zone = currency, zone
        self._channels = channels
        self.terms: dict[str, Any] = {}
        self.problems: list[dict[str, Any]] = []
        given = terms or {}
        initial = {
            name: value for kind in self.kinds for name, value in self._initial(kind, given.get(kind) or {}).items()
        }
        super().__init__(data, initial=initial | (options.pop("initial", None) or {}), **options)
        for kind in self.kinds:
            for field in rules.fields(kind):
                self.fields[name_of(kind, field.name)] = self._field(kind, field, given.get(kind) or {})

    @cached_property
    def channels(self) -> tuple[tuple[str, str], ...]:
        """Return the channels to choose from; they are asked for where the form has their rule."""
        return tuple(self._channels)

    @property
    def sections(self) -> Iterator[Section]:
        """Yield the form rule by rule."""
        for kind in self.kinds:
            rule = rules.KINDS[kind]
            yield Section(
                kind=kind,
                label=str(rule.label),
                help=str(rule.help),
                is_required=kind in self.required,
                fields=[self[name_of(kind, field.name)] for field in rules.fields(kind)],
            )

    def judged_kinds(self) -> list[str]:
        """Return the kinds of which what was typed is the same for everybody: all of them."""
        return self.kinds

    def clean(self) -> dict[str, Any]:
        """Convert what was typed, let the rules judge it, and put each problem beside its field."""
        cleaned = super().clean() or self.cleaned_data
        problems: list[dict[str, Any]] = []
        typed: dict[str, Any] = {}
        for kind in self.judged_kinds():
            value = self._typed(kind, cleaned, problems)
            if value or any(found["rule"] == kind for found in problems):
                typed[kind] = value
        unread = {(found["rule"], found["field"]) for found in problems}
        try:
            parsed = rules.parse(typed, required=[kind for kind in self.judged_kinds() if kind in self.required])
        except rules.InvalidTerms as refusal:
            # A value that could not be read is not missing as well.
            problems += [
                self._in_major_units(found, typed)
                for found in refusal.problems
                if (found["rule"], found["field"]) not in unread
            ]
        else:
            self.terms = parsed.data()
        self.problems = problems
        for found in problems:
            field = found["field"].partition("[")[0] or rules.fields(found["rule"])[0].name
            self.add_error(name_of(found["rule"], field), ValidationError(found["message"], code=found["code"]))
        return cleaned

    def _typed(self, kind: str, cleaned: Mapping[str, Any], problems: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a rule's value as JSON has it, without what was left empty; what cannot be read is a problem."""
        value: dict[str, Any] = {}
        for field in rules.fields(kind):
            given = cleaned.get(name_of(kind, field.name))
            if given in (None, "", []):
                continue
            if field.type == "list":
                value[field.name] = [one for one in given if one] if isinstance(given, list) else _lines(given)
            elif field.type == "boolean":
                value[field.name] = {"true": True, "false": False}.get(given, given)
            elif field.type != "integer":
                value[field.name] = given
            elif field.unit_for(value) == "money":
                try:
                    value[field.name] = money.read(given, self.currency)
                except money.Unreadable as error:
                    problems.append(problem.of_field(kind, field.name, "not_an_amount", given, text=str(error)))
            else:
                value[field.name] = _whole(given)
        return {name: one for name, one in value.items() if one != []}

    def _in_major_units(self, found: dict[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
        """Say a bound of money in the units that were typed."""
        field = next((one for one in rules.fields(found["rule"]) if one.name == found["field"]), None)
        if field is None or field.unit_for(typed[found["rule"]]) != "money":
            return found
        words = {"value": money.display(typed[found["rule"]].get(field.name, 0), self.currency)}
        if found["code"] == "too_small":
            words["limit"] = money.display(field.minimum or 1, self.currency)
            text = _("%(value)s is too small. Give at least %(limit)s.") % words
        elif found["code"] == "too_large":
            words["limit"] = money.display(field.maximum or LARGEST_AMOUNT, self.currency)
            text = _("%(value)s is too large. Give at most %(limit)s.") % words
        else:
            return found
        return found | {"message": problem.placed(found["rule"], found["field"], text)}

    def _initial(self, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the fields show for a rule's value."""
        shown: dict[str, Any] = {}
        for field in rules.fields(kind):
            given = value.get(field.name)
            if given is None:
                continue
            if field.type == "list" and not field.is_open:
                given = "\n".join(given)
            elif field.type == "boolean":
                given = "true" if given else "false"
            elif field.type == "moment":
                given = self._local(given)
            elif field.unit_for(value) == "money":
                given = f"{money.to_major(given, self.currency):f}"
            shown[name_of(kind, field.name)] = given
        return shown

    def _local(self, given: str) -> str:
        """Return a moment as the zone's clock shows it; a bare date stays one."""
        if len(given) == len("2026-12-31"):
            return given
        moment = datetime.fromisoformat(given)
        local = moment.astimezone(self.zone) if moment.tzinfo else moment
        return local.replace(tzinfo=None).isoformat(timespec="minutes" if not local.second else "seconds")

    def _field(self, kind: str, field: rules.Field, value: Mapping[str, Any]) -> Unchecked:
        made = Unchecked(
            required=field.required and kind in self.required,
            label=str(field.label),
            help_text=str(field.help),
            widget=self._widget(field, value),
        )
        made.unit = self._unit(field.unit)
        if field.unit_of:
            # For the page's script, which shows the unit of the type that is chosen.
            made.widget.attrs["data-unit-of"] = name_of(kind, field.unit_of)
            for choice, unit in field.units.items():
                made.widget.attrs[f"data-unit-{choice.replace('_', '-')}"] = str(self._unit(unit))
        return made

    def _unit(self, unit: str) -> Any:
        return money.SYMBOLS.get(self.currency, self.currency) if unit == "money" else UNITS.get(unit, "")

    def _widget(self, field: rules.Field, value: Mapping[str, Any]) -> forms.Widget:
        if field.type == "choice":
            return forms.Select(choices=[BLANK, *field.choices])
        if field.type == "boolean":
            return forms.Select(choices=[BLANK, *YES_OR_NO])
        if field.type == "list" and field.is_open:
            return forms.CheckboxSelectMultiple(choices=self._open_choices(field, value))
        if field.type == "list":
            return forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocapitalize": "off"})
        if field.type == "moment":
            has_time = len(str(value.get(field.name) or "")) > len("2026-12-31")
            return forms.TextInput(attrs={"type": "datetime-local" if has_time else "date"})
        attrs: dict[str, Any] = {"inputmode": "decimal" if field.unit == "money" or field.unit_of else "numeric"}
        return forms.TextInput(attrs=attrs | {"autocomplete": "off"})

    def _open_choices(self, field: rules.Field, value: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Return the channels to choose from, and those that are set already, so that none is lost by saving."""
        known = dict(self.channels or field.choices)
        return [*known.items(), *((code, code) for code in value.get(field.name, ()) if code not in known)]


def name_of(kind: str, field: str) -> str:
    """Return the form's name of a rule's field."""
    return f"{kind}__{field}"


def _whole(text: str) -> Any:
    """Return the whole number in a text; any other text as it is, for the rules to refuse."""
    plain = text.removeprefix("-")
    return int(text) if plain.isdecimal() and plain.isascii() and len(text) <= LONGEST_NUMBER else text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
