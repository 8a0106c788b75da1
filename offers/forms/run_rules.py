"""The rules of a run: each field one value for all, or a member's own: an attribute, a formula, or a list's column
(S1-01, S1-05).

    form = RunRulesForm(data, kinds=…, programme=programme, today=…)
    form.terms, form.member_values   # after is_valid(): what is the same for all, and what is not

Beside each field that can differ stand inputs `benefit__size__formula`, `__least`, `__most`, `__else`, or
`products__products__attribute` with `__else` where that makes sense; and `__column`, such as `12:Days`, for a list's.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import money, whole_number
from loyalty.errors import InvalidInput
from loyalty.models import AttributeDefinition, Programme
from offers import rules
from offers.forms.rules import BLANK, LONGEST_NUMBER, RulesForm, Unchecked, name_of
from offers.rules import problem
from offers.selectors import channel
from offers.selectors import member_list as member_lists
from offers.services import member_value
from offers.services.member_value import ATTRIBUTE_TYPES

# Which input of a number a problem stands beside; all others at its formula.
PLACES = {
    "no_bounds": "least",
    "bounds_backwards": "least",
    "minimum_is_no_number": "least",
    "too_small": "least",
    "too_large": "most",
    "maximum_is_no_number": "most",
    "default_is_no_number": "else",
    "default_out_of_bounds": "else",
    "invalid_default": "else",
    "unknown_list": "column",
    "unknown_column": "column",
}
# The newest ones with further columns are offered, and the one that is chosen.
LISTS = 25


class RunRulesForm(RulesForm):
    """A form of rules whose numbers, dates, ids and choices may be each member's own."""

    def __init__(self, data: Any = None, *, programme: Programme, today: date, **options: Any) -> None:
        self.programme, self.today = programme, today
        self.member_values: dict[str, Any] = {}
        self.own: dict[str, dict[str, Any]] = {}
        # By rule, field and code: what is wrong with an amount of money that could not be read.
        self.unread: dict[tuple[str, str, str], str] = {}
        channels = channel.choices(programme=programme)
        super().__init__(data, currency=programme.currency, zone=programme.zone, channels=channels, **options)
        for kind in self.kinds:
            for field in rules.fields(kind):
                for suffix, made in self._inputs(kind, field):
                    self.fields[f"{name_of(kind, field.name)}__{suffix}"] = made

    @cached_property
    def attributes(self) -> list[AttributeDefinition]:
        return list(AttributeDefinition.objects.filter(programme=self.programme))

    @cached_property
    def columns(self) -> list[tuple[str, Any]]:
        """Return the columns of lists to choose from, by list; nothing where no list has any."""
        chosen = [value.partition(":")[0] for name, value in self.data.items() if name.endswith("__column")]
        lists = member_lists.with_columns(programme=self.programme, chosen=chosen, most=LISTS)
        return [(one.name, [(f"{one.pk}:{column}", column) for column in one.columns]) for one in lists]

    def own_fields(self, name: str) -> list[BoundField]:
        """Return the inputs for a member's own value of the field of this name; none where it cannot differ."""
        return [self[one] for one in self.fields if one.startswith(f"{name}__")]

    def is_own(self, name: str) -> bool:
        """Say whether something stands in one of those inputs."""
        return any(self.data.get(one.html_name) for one in self.own_fields(name))

    def _inputs(self, kind: str, field: rules.Field) -> list[tuple[str, forms.Field]]:
        if not member_value.can_vary(kind, field):
            return []
        known = [one for one in self.attributes if one.type in ATTRIBUTE_TYPES[field.type]]
        if not known and not self.columns:
            return []
        inputs: list[tuple[str, forms.Field]] = []
        if known and field.type == "integer":
            names = ", ".join(one.name for one in known[:8])
            text = _("A number attribute, or a formula of them: + - * /, min, max, round. There are: %(names)s.")
            inputs.append(("formula", _typed(gettext_lazy("From"), text % {"names": names}, spellcheck="false")))
        elif known:
            choices = [BLANK, *((one.name, one.label) for one in known)]
            made = Unchecked(required=False, label=gettext_lazy("From"), widget=forms.Select(choices=choices))
            inputs.append(("attribute", made))
        if self.columns:
            label = gettext_lazy("Or from a list") if known else gettext_lazy("From a list")
            select = forms.Select(choices=[BLANK, *self.columns])
            inputs.append(("column", Unchecked(required=False, label=label, widget=select)))
        if field.type == "integer":
            return [
                *inputs,
                ("least", _typed(gettext_lazy("At least"), "", inputmode="decimal")),
                ("most", _typed(gettext_lazy("At most"), "", inputmode="decimal")),
                ("else", _typed(gettext_lazy("Otherwise"), _("Empty: who has none within these gets nothing."))),
            ]
        if field.type == "choice":
            select = forms.Select(choices=[("", _("nothing: she is left out")), *field.choices])
            inputs.append(("else", Unchecked(required=False, label=gettext_lazy("Otherwise"), widget=select)))
        if field.type == "moment":
            picker = forms.TextInput(attrs={"type": "date"})
            inputs.append(("else", Unchecked(required=False, label=gettext_lazy("Otherwise"), widget=picker)))
        return inputs

    def clean(self) -> dict[str, Any]:
        """Let the rules judge what is the same for all, and the values per member what is not."""
        self.own, self.unread = {}, {}
        typed = self.cleaned_data
        for kind in self.kinds:
            for field in rules.fields(kind):
                if source := self._source(kind, field, typed):
                    self.own.setdefault(kind, {})[field.name] = source
        cleaned = super().clean()
        if self.own:
            self._judge_own(cleaned)
        return cleaned

    def judged_kinds(self) -> list[str]:
        return [kind for kind in self.kinds if kind not in self.own]

    def _judge_own(self, cleaned: Mapping[str, Any]) -> None:
        given: dict[str, Any] = {}
        problems: list[dict[str, Any]] = []
        for kind, sources in self.own.items():
            fixed = self._typed(kind, cleaned, problems)
            for name in fixed.keys() & sources.keys():
                text = _("a value for all is given too. Empty one of the two.")
                problems.append(problem.of_field(kind, name, "given_twice", text=text))
            given[kind] = {**fixed, **sources}
        if not problems:
            try:
                found = member_value.read(programme=self.programme, given=given, terms=self.terms, today=self.today)
                self.member_values = found.data()
            except InvalidInput as refusal:
                problems = [self._in_words_of_money(one) for one in refusal.problems]
        self.problems += problems
        for one in problems:
            self.add_error(self._place(one), ValidationError(one["message"], code=one["code"]))

    def _in_words_of_money(self, found: dict[str, Any]) -> dict[str, Any]:
        """Say of an amount that could not be read what every form says of it."""
        text = self.unread.get((found["rule"], found["field"], found["code"]))
        return found | {"message": problem.placed(found["rule"], found["field"], text)} if text else found

    def _place(self, found: Mapping[str, Any]) -> str:
        """Return the input that a problem stands beside."""
        field = found["field"].partition("[")[0] or next(iter(self.own[found["rule"]]))
        name = name_of(found["rule"], field)
        if found["code"] == "given_twice" or field not in self.own[found["rule"]]:
            return name
        suffixes = [PLACES.get(found["code"], "formula"), "formula", "attribute", "column"]
        return next(f"{name}__{one}" for one in suffixes if f"{name}__{one}" in self.fields)

    def _source(self, kind: str, field: rules.Field, typed: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return where a member's own value comes from, as typed; None where no such input was filled in."""
        name = name_of(kind, field.name)
        suffixes = ("formula", "attribute", "column", "least", "most", "else")
        found = {one: typed.get(f"{name}__{one}") or "" for one in suffixes}
        if not any(found.values()):
            return None
        source: dict[str, Any] = {}
        if found["column"]:
            key, _colon, column = found["column"].partition(":")
            number = whole_number.read(key)
            source = {"list": key if number is None else number, "column": column}
        if field.type != "integer":
            if found["attribute"] or not source:
                source["attribute"] = found["attribute"]
            return source | ({"default": found["else"]} if found["else"] else {})
        if found["formula"] or not source:
            is_name = any(found["formula"] == one.name for one in self.attributes)
            source["attribute" if is_name else "expression"] = found["formula"]
        is_money = self._may_be_money(kind, field, typed)
        for key, one in (("minimum", "least"), ("maximum", "most"), ("default", "else")):
            if found[one] and is_money:
                source[key] = self._amount((kind, field.name, f"{key}_is_no_number"), found[one])
            elif found[one]:
                source[key] = _number(found[one])
        return source

    def _may_be_money(self, kind: str, field: rules.Field, typed: Mapping[str, Any]) -> bool:
        """Say whether the field counts money; where what it counts is each member's own too, whether it can."""
        given = typed.get(name_of(kind, field.unit_of)) if field.unit_of else None
        if field.unit_of and not given:
            return "money" in field.units.values()
        return field.unit_for({field.unit_of: given}) == "money"

    def _amount(self, place: tuple[str, str, str], text: str) -> Decimal:
        """Return an amount in major units; no number at all, to be refused with a sentence, where it is none."""
        try:
            return money.to_major(money.read(text, self.currency), self.currency)
        except money.Unreadable as error:
            self.unread[place] = str(error)
            return Decimal("NaN")


def typed(*, programme: Programme, terms: Mapping[str, Any], member_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody would type for a run's terms and values per member: `RunRulesForm` reads them from it."""
    fixed = {
        rule: {name: value for name, value in fields.items() if not isinstance(value, Mapping)}
        for rule, fields in member_values.items()
    }
    given = {**terms, **fixed}
    form = RulesForm(None, kinds=given, currency=programme.currency, zone=programme.zone, terms=given)
    found = dict(form.initial)
    for rule, fields in member_values.items():
        for field in rules.fields(rule):
            source = fields.get(field.name)
            if isinstance(source, Mapping):
                found |= _inputs_of(name_of(rule, field.name), field, source)
    return found


def _inputs_of(name: str, field: rules.Field, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs beside a field for a member's own value, the reverse of `RunRulesForm._source`."""
    found: dict[str, Any] = {}
    if "list" in source:
        found[f"{name}__column"] = f"{source['list']}:{source['column']}"
    elif field.type == "integer":
        found[f"{name}__formula"] = source.get("expression") or source["attribute"]
    else:
        found[f"{name}__attribute"] = source["attribute"]
    for suffix, key in (("least", "minimum"), ("most", "maximum"), ("else", "default")):
        if key in source:
            found[f"{name}__{suffix}"] = source[key]
    return found


def _typed(label: Any, text: str, **attrs: str) -> Unchecked:
    widget = forms.TextInput(attrs={"autocomplete": "off", **attrs})
    return Unchecked(required=False, label=label, help_text=text, widget=widget)


def _number(text: str) -> Any:
    """Return a number as people write it, with a comma or a point; any other text as it is, to be refused."""
    plain = text.replace("\u00a0", "").replace(" ", "")
    if plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    try:
        return Decimal(plain) if len(plain) <= LONGEST_NUMBER and "e" not in plain.lower() else text
    except InvalidOperation:
        return text
