"""Rule values that differ per member: from an attribute, a formula over attributes, or a list's column (S1-01, S1-05).

They stand beside the fixed terms of a run, keyed by rule and field; a field that differs is an object with its source:

    {"benefit": {"type": "percent",
                 "size": {"expression": "min(30, max(5, loyalty_score / 10))", "minimum": 5, "maximum": 30}},
     "validity": {"days": {"list": 12, "column": "Days", "minimum": 7, "maximum": 90, "default": 14}}}

An archived list is taken too: it never changes, so what was made with it keeps its meaning.
Bounds, defaults and what a formula gives are in the units that people write: percents, days, an amount in the
programme's currency. Whole units of the rule are made of them, rounded half away from zero.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import product
from typing import Any, TypeGuard

from django.utils.translation import gettext as _

from loyalty import money
from loyalty.errors import InvalidInput
from loyalty.models import AttributeDefinition, Programme
from offers import rules
from offers.models import MemberList
from offers.rules import problem
from offers.rules.validity import MOST_DAYS
from offers.targeting import formula
from offers.targeting.formula import Formula

# Which types of attributes a field of a rule can be filled from.
ATTRIBUTE_TYPES = {"integer": {"number"}, "moment": {"date"}, "list": {"list", "text"}, "choice": {"text"}}
SOURCES = ("attribute", "expression", "list")
KEYS = {*SOURCES, "column", "minimum", "maximum", "default"}
LARGEST = Decimal(10) ** 12

Problem = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Varying:
    """One field of one rule that differs per member, and where her value comes from.

    `attribute` names it; a number has a `formula` (an attribute's name is one) with its bounds; or it is what stands in
    a `column` of a list. Who has no value, or one out of bounds, gets the `default`; without one she is refused.
    """

    rule: str
    field: rules.Field
    attribute: str = ""
    attribute_type: str = ""
    expression: str = ""
    formula: Formula | None = None
    member_list: int | None = None
    column: str = ""
    minimum: Decimal = Decimal(0)
    maximum: Decimal = Decimal(0)
    default: Any = None

    @property
    def key(self) -> str:
        return f"{self.rule}.{self.field.name}"

    @property
    def label(self) -> str:
        """Return the rule and the field in words."""
        return problem.placed(self.rule, self.field.name, "").rpartition(":")[0]

    @property
    def is_number(self) -> bool:
        return self.field.type == "integer"

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON value."""
        source: dict[str, Any] = {"expression": self.expression} if self.expression else {"attribute": self.attribute}
        if self.member_list is not None:
            source = {"list": self.member_list, "column": self.column}
        if self.is_number:
            source |= {"minimum": _json(self.minimum), "maximum": _json(self.maximum)}
        default = _json(self.default) if isinstance(self.default, Decimal) else self.default
        return source | ({} if default is None else {"default": default})


@dataclass(frozen=True, eq=False)
class MemberValues:
    """What differs per member, and the fixed fields of the same rules. False when nothing differs."""

    fixed: Mapping[str, Mapping[str, Any]]
    varying: tuple[Varying, ...]
    currency: str

    def __bool__(self) -> bool:
        return bool(self.varying)

    def of(self, key: str) -> Varying | None:
        return next((one for one in self.varying if one.key == key), None)

    def units(self, one: Varying, kind: str | None) -> Decimal:
        """Return what one written unit is in the rule's whole units; `kind` is the benefit's type, where it matters."""
        values = {one.field.unit_of: kind} if one.field.unit_of and kind else self.fixed.get(one.rule, {})
        is_money = one.field.unit_for(values) == "money"
        return Decimal(10) ** money.digits(self.currency) if is_money else Decimal(1)

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON object, as a run keeps it."""
        found: dict[str, Any] = {rule: dict(fields) for rule, fields in self.fixed.items()}
        for one in self.varying:
            found.setdefault(one.rule, {})[one.field.name] = one.data()
        return found

    def examples(self, today: date) -> Iterator[dict[str, Any]]:
        """Yield the terms at the edges of what members can get: what the rules say of them, they say of all between."""
        choices = [
            [(one, choice) for choice, _label in one.field.choices]
            for one in self.varying
            if one.field.type == "choice"
        ]
        for edge in ("minimum", "maximum", "default"):
            for chosen in product(*choices):
                yield self._example(edge, {one.key: value for one, value in chosen}, today)

    def _example(self, edge: str, chosen: Mapping[str, Any], today: date) -> dict[str, Any]:
        terms: dict[str, dict[str, Any]] = {rule: dict(fields) for rule, fields in self.fixed.items()}
        for one in self.varying:
            value: Any = chosen.get(one.key)
            if one.is_number:
                kind = chosen.get(f"{one.rule}.{one.field.unit_of}")
                written = getattr(one, edge) if edge != "default" or one.default is not None else one.maximum
                value = int((written * self.units(one, kind)).to_integral_value(ROUND_HALF_UP))
            elif one.field.type == "moment":
                value = (today + timedelta(days=MOST_DAYS if one.field.name == "ends_at" else 0)).isoformat()
            elif one.field.type == "list":
                value = ["an id"]
            terms.setdefault(one.rule, {})[one.field.name] = value
        return terms


NONE = MemberValues({}, (), "")


def _json(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def read(*, programme: Programme, given: Any, terms: Mapping[str, Any], today: date) -> MemberValues:
    """Return the values per member that a run was given beside its fixed `terms`.

    Raises InvalidInput (`invalid_value`) naming every problem with its rule and field; formulas with the character.
    """
    if not given:
        return NONE
    problems: list[Problem] = []
    found = _Reader(programme, problems).read(given, terms)
    if not problems:
        problems += _at_the_edges(found, today)
    if problems:
        raise InvalidInput(" ".join(one["message"] for one in problems[:5]), code="invalid_value", problems=problems)
    return found


def _at_the_edges(found: MemberValues, today: date) -> list[Problem]:
    """Return what the rules say against values within the bounds, each once."""
    problems: dict[tuple[str, str, str], Problem] = {}
    for terms in found.examples(today):
        try:
            rules.parse(terms)
        except rules.InvalidTerms as error:
            for one in error.problems:
                problems.setdefault((one["rule"], one["field"], one["code"]), one)
    return list(problems.values())


class _Reader:
    """Reads what was given, and notes every problem."""

    def __init__(self, programme: Programme, problems: list[Problem]) -> None:
        self.programme, self.problems = programme, problems
        self.types = dict(AttributeDefinition.objects.filter(programme=programme).values_list("name", "type"))
        self.numbers = {name: None for name, kind in self.types.items() if kind == "number"}
        self.lists: dict[int, list[str]] = {}

    def read(self, given: Any, terms: Mapping[str, Any]) -> MemberValues:
        fixed: dict[str, dict[str, Any]] = {}
        varying: list[Varying] = []
        if not isinstance(given, Mapping):
            self.refuse("", "", "not_an_object", _("Give the values per member as an object keyed by rule."))
            given = {}
        self.lists = _lists(self.programme, given)
        for rule, fields in given.items():
            if rule not in rules.KINDS:
                self.problems.append(problem.unknown(str(rule)))
            elif rule in terms:
                self.refuse(rule, "", "given_twice", _("it is given for all, and per member too. Give it once."))
            elif not isinstance(fields, Mapping):
                self.problems.append(problem.of_rule(rule, "not_an_object", fields))
            else:
                sources = {name for name, value in fields.items() if isinstance(value, Mapping)}
                fixed[rule] = {name: value for name, value in fields.items() if name not in sources}
                if not sources:
                    self.refuse(
                        rule, "", "nothing_varies", _("nothing of it differs per member. Give it with the terms.")
                    )
                varying += [one for name in sorted(sources) if (one := self.source(rule, name, fields[name]))]
        order = {f"{kind}.{field.name}": n for n, (kind, field) in enumerate(_every_field())}
        varying.sort(key=lambda one: order[one.key])
        return MemberValues(fixed, tuple(varying), self.programme.currency)

    def refuse(self, rule: str, field: str, code: str, text: str) -> None:
        self.problems.append(
            problem.of_field(rule, field, code, text=text)
            if rule
            else {"code": code, "rule": "", "field": "", "message": text, "value": None}
        )

    def source(self, rule: str, name: str, given: Mapping[str, Any]) -> Varying | None:
        field = next((one for one in rules.fields(rule) if one.name == name), None)
        if field is None:
            self.refuse(rule, "", "unknown_field", _("there is no field “%(name)s”.") % {"name": problem.shown(name)})
            return None
        if not can_vary(rule, field):
            self.refuse(rule, name, "not_per_member", _("it cannot differ per member. Give one value for all."))
            return None
        unknown = sorted(map(str, given.keys() - KEYS))
        if unknown:
            words = {"keys": ", ".join(unknown), "known": ", ".join(sorted(KEYS))}
            self.refuse(rule, name, "unknown_field", _("%(keys)s: there is no such key. Use these: %(known)s.") % words)
            return None
        if len(given.keys() & set(SOURCES)) != 1 or ("column" in given and "list" not in given):
            text = _("give an attribute, a formula, or a list with its column: one of them.")
            self.refuse(rule, name, "no_source", text)
            return None
        if "list" not in given and not isinstance(given.get("attribute", given.get("expression")), str):
            self.refuse(rule, name, "not_text", _("the attribute or the formula is not text."))
            return None
        return self.number(rule, field, given) if field.type == "integer" else self.other(rule, field, given)

    def listed(self, rule: str, field: rules.Field, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the list and its column."""
        key, column = given["list"], given.get("column")
        columns = self.lists.get(key) if _is_id(key) else None
        if columns is None:
            words = {"list": problem.shown_text(key)}
            self.refuse(rule, field.name, "unknown_list", _("there is no list of members %(list)s.") % words)
        elif column not in columns:
            words = {"column": problem.shown_text(column), "known": ", ".join(columns) or _("none")}
            message = _("%(column)s is no column of that list. It has: %(known)s.") % words
            self.refuse(rule, field.name, "unknown_column", message)
        return {"member_list": key, "column": column}

    def worked_out(self, rule: str, field: rules.Field, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a number's attribute or formula."""
        text = given.get("attribute", given.get("expression"))
        tree = None
        if "attribute" in given and text not in self.numbers:
            self.no_attribute(rule, field, text)
        else:
            try:
                tree = formula.parse(text, self.numbers)
            except formula.InvalidFormula as error:
                self.refuse(rule, field.name, "not_a_formula", error.message)
        source = {"expression": text.strip()} if "expression" in given else {"attribute": text}
        return source | {"formula": tree, "attribute_type": "number"}

    def number(self, rule: str, field: rules.Field, given: Mapping[str, Any]) -> Varying | None:
        before = len(self.problems)
        source = self.listed(rule, field, given) if "list" in given else self.worked_out(rule, field, given)
        bounds = {name: self.bound(rule, field, name, given.get(name)) for name in ("minimum", "maximum", "default")}
        low, high, default = bounds["minimum"], bounds["maximum"], bounds["default"]
        if low is None or high is None:
            if before == len(self.problems):
                self.refuse(rule, field.name, "no_bounds", _("give the least and the most that a member may get."))
        elif low > high:
            self.refuse(rule, field.name, "bounds_backwards", _("the least is more than the most. Swap them."))
        elif default is not None and not low <= default <= high:
            message = _("what others get is not between the least and the most. Give one that is.")
            self.refuse(rule, field.name, "default_out_of_bounds", message)
        if len(self.problems) > before or low is None or high is None:
            return None
        return Varying(rule, field, minimum=low, maximum=high, default=default, **source)

    def bound(self, rule: str, field: rules.Field, name: str, given: Any) -> Decimal | None:
        if given is None:
            return None
        try:
            found = Decimal(str(given)) if isinstance(given, int | float | str | Decimal) else Decimal("NaN")
        except InvalidOperation:
            found = Decimal("NaN")
        if isinstance(given, bool) or not found.is_finite() or abs(found) > LARGEST:
            words = {"value": problem.shown_text(given)}
            self.refuse(
                rule, field.name, f"{name}_is_no_number", _("%(value)s is not a number. Give one such as 5.") % words
            )
            return None
        return found

    def other(self, rule: str, field: rules.Field, given: Mapping[str, Any]) -> Varying | None:
        """Read a date, a choice or ids, which come from an attribute or a list's column."""
        before = len(self.problems)
        if "list" in given:
            source = self.listed(rule, field, given)
        else:
            name = given.get("attribute", "")
            source = {"attribute": name, "attribute_type": self.types.get(name, "")}
            if "expression" in given or source["attribute_type"] not in ATTRIBUTE_TYPES[field.type]:
                self.no_attribute(rule, field, given.get("attribute", given.get("expression")))
        default = given.get("default")
        if default is not None and not self.is_default(field, default):
            self.refuse(rule, field.name, "invalid_default", _("what others get is not a value of this field."))
        return None if len(self.problems) > before else Varying(rule, field, default=default, **source)

    def is_default(self, field: rules.Field, given: Any) -> bool:
        if field.type == "choice":
            return given in [choice for choice, _label in field.choices]
        try:
            return field.type == "moment" and isinstance(given, str) and date.fromisoformat(given).isoformat() == given
        except ValueError:
            return False

    def no_attribute(self, rule: str, field: rules.Field, name: Any) -> None:
        wanted = ATTRIBUTE_TYPES[field.type]
        known = sorted(one for one, kind in self.types.items() if kind in wanted)[:10]
        words = {"name": problem.shown_text(name), "known": ", ".join(known) or _("none is defined")}
        message = _("%(name)s is no attribute that can fill it. Use one of these: %(known)s.") % words
        self.refuse(rule, field.name, "unknown_attribute", message)


def _is_id(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def _lists(programme: Programme, given: Mapping[str, Any]) -> dict[int, list[str]]:
    """Return the columns of the lists that are named, archived ones too."""
    fields = [found for found in given.values() if isinstance(found, Mapping)]
    sources = [found for each in fields for found in each.values() if isinstance(found, Mapping)]
    named = {key for source in sources if _is_id(key := source.get("list"))}
    if not named:
        return {}
    return dict(MemberList.objects.filter(programme=programme, pk__in=named).values_list("pk", "columns"))


def can_vary(rule: str, field: rules.Field) -> bool:
    """Say whether a rule's field can differ per member: numbers, dates, lists of ids, and choices.

    Personal terms are each member's own already, and come by an import.
    """
    return rule != "personal" and field.type in ATTRIBUTE_TYPES and not field.is_open


def _every_field() -> Iterator[tuple[str, rules.Field]]:
    for kind in rules.KINDS:
        for field in rules.fields(kind):
            yield kind, field
