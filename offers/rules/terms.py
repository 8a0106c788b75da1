"""Terms: an object keyed by rule kind, one rule of each (DESIGN 4)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.utils.functional import Promise, lazy
from pydantic import ValidationError

from offers.rules import moment, problem, redemption_limit
from offers.rules.acceptance import Acceptance
from offers.rules.benefit import Benefit
from offers.rules.personal import Personal
from offers.rules.problem import InvalidTerms, Problem
from offers.rules.redemption_limit import RedemptionLimit
from offers.rules.rule import KINDS, Rule
from offers.rules.validity import Validity

UTC = ZoneInfo("UTC")
R = TypeVar("R", bound=Rule)
# What personal terms say themselves, for each member.
BESIDE_PERSONAL = ("benefit", "products")


class Terms(Mapping[str, Rule]):
    """Valid rules by their kind, in form order."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = {kind: rules[kind] for kind in KINDS if kind in rules}

    def of(self, kind: type[R]) -> R | None:
        """Return the rule of a kind, if there is one."""
        found = self._rules.get(kind.kind)
        return found if isinstance(found, kind) else None

    def __getitem__(self, kind: str) -> Rule:
        return self._rules[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"Terms({self.data()!r})"

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON object, as it is stored."""
        return {kind: rule.data() for kind, rule in self._rules.items()}


@dataclass(frozen=True)
class Settled:
    """What an assignment keeps in columns of its own, so that the member's list runs no rules."""

    starts_at: datetime
    ends_at: datetime | None
    acceptance_required: bool
    exposure_minor: int


@dataclass(frozen=True)
class Line:
    """One rule, said to people; the text follows the language that is active when it is shown."""

    rule: str
    text: str | Promise


def parse(terms: Mapping[str, Any], *, required: Iterable[str] = ()) -> Terms:
    """Return the rules of the terms, checked.

    Raises InvalidTerms with every problem: unknown rules, wrong values, `required` kinds that nobody gave.
    """
    if not isinstance(terms, Mapping):
        raise InvalidTerms([problem.of_rule("", "not_an_object", terms)])
    rules: dict[str, Rule] = {}
    problems: list[Problem] = [problem.missing(kind) for kind in missing(required, terms)]
    for kind, value in terms.items():
        if isinstance(value, Rule) and value.kind == kind:
            rules[kind] = value
        elif kind not in KINDS:
            problems.append(problem.unknown(str(kind)))
        else:
            try:
                rules[kind] = KINDS[kind].model_validate(value)
            except ValidationError as error:
                problems.extend(problem.translated(KINDS[kind], error, value))
    if problems:
        raise InvalidTerms(problems)
    return Terms(rules)


def effective(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return base || override: a rule given at assignment replaces the offer's whole value (S0-08)."""
    return {**base, **override}


def missing(required: Iterable[str], given: Mapping[str, Any]) -> list[str]:
    """Return the required kinds that are not given (S0-07), in form order."""
    wanted = {kind for kind in required if kind not in given}
    return [kind for kind in KINDS if kind in wanted] + sorted(wanted - KINDS.keys())


def settle(terms: Mapping[str, Any], *, issued_at: datetime, zone: ZoneInfo) -> Settled:
    """Return the columns for effective terms, issued at that moment in the programme's zone.

    Without a validity the assignment starts when issued and never ends. The exposure is the worst case in
    minor units: an amount, or a ceiling, times the redemption limit (once, where there is none); 0 where it is
    not known. Raises InvalidTerms for terms that are not valid, or whose period the zone shows to be backwards.
    """
    rules = terms if isinstance(terms, Terms) else parse(terms)
    validity = rules.of(Validity)
    benefit = rules.of(Benefit)
    personal = rules.of(Personal)
    limit = rules.of(RedemptionLimit)
    acceptance = rules.of(Acceptance)
    starts_at, ends_at = validity.period(issued_at=issued_at, zone=zone) if validity else (issued_at, None)
    if ends_at is not None and ends_at <= starts_at:
        raise InvalidTerms([problem.of_field(Validity.kind, "ends_at", "ends_before_start")])
    if personal and (beside := [kind for kind in BESIDE_PERSONAL if kind in rules]):
        # Two things that say what it gives: no till could tell which one counts.
        raise InvalidTerms([problem.of_rule(kind, "not_beside_personal") for kind in beside])
    uses = limit.limit if limit else redemption_limit.DEFAULT
    return Settled(
        starts_at=starts_at,
        ends_at=ends_at,
        acceptance_required=bool(acceptance and acceptance.required),
        exposure_minor=max((one.worst_case(uses) for one in (benefit, personal) if one), default=0),
    )


def is_personal(terms: Mapping[str, Any]) -> bool:
    """Say whether valid terms have a member's own items or thresholds (S1-01)."""
    value = terms.get(Personal.kind) or {}
    return value.is_set if isinstance(value, Personal) else bool(value.get("items") or value.get("thresholds"))


def fixed_end(terms: Mapping[str, Any], *, zone: ZoneInfo) -> datetime | None:
    """Return the half-open end that the terms give as a date, the same for everybody; None for days, or without end."""
    rules = terms if isinstance(terms, Terms) else parse(terms)
    validity = rules.of(Validity)
    return moment.end(validity.ends_at, zone) if validity and validity.ends_at else None


def explain(terms: Mapping[str, Any], *, currency: str, zone: ZoneInfo = UTC) -> list[Line]:
    """Return a sentence for each rule or its parts, in form order; lazy, so that it follows the reader's language."""
    rules = terms if isinstance(terms, Terms) else parse(terms)
    sentence = lazy(lambda part: part.sentence(currency=currency, zone=zone), str)
    return [Line(rule=kind, text=sentence(part)) for kind, rule in rules.items() for part in rule.parts()]
