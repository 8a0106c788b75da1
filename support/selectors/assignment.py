"""A member's offers as the desk shows them: now, past, and one with everything behind it (S0-03, S0-10, S0-11)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.errors import NotFound
from loyalty.models import Member, Programme
from offers import rules
from offers.models import Assignment, DoorEntry, Source
from offers.selectors import timeline

# Nobody holds so many; a bound, so that no page is ever without one.
MOST = 200
PAGE = 20


@dataclass(frozen=True)
class Holding:
    """One assignment as it stands at a moment."""

    assignment: Assignment
    status: str
    has_code: bool
    can_show_code: bool
    """A code that could not be used at the till is not read out (D-10)."""
    can_undo: bool
    can_reissue: bool
    """Neither used nor ended by somebody, and not an import's (B-06, D-14); expired is what reissuing is for."""
    can_extend: bool
    can_redeem: bool = False
    """Usable, or over by its end alone: she may have used it before (the moment of use decides)."""
    can_close: bool = False
    is_imported: bool = False

    @property
    def name(self) -> str:
        return name(self.assignment)

    @property
    def is_over(self) -> bool:
        return self.status in {"revoked", "used_up", "closed", "expired"}

    @property
    def over_at(self) -> datetime | None:
        """Return when it ended, for whichever reason it did."""
        held = self.assignment
        return held.revoked_at or held.used_up_at or held.closed_at or held.ends_at


@dataclass(frozen=True)
class Term:
    """One rule of the effective terms, in words, and where its value comes from (S0-08)."""

    rule: str
    label: str | Promise
    text: str | Promise
    is_given: bool
    instead_of: str | Promise
    """The offer's own sentence that the given value replaced, or nothing."""
    is_changed: bool = False
    """A verb changed it since the issue, such as an extension."""


@dataclass(frozen=True)
class Moment:
    label: str | Promise
    at: datetime | None
    is_end: bool = False


@dataclass(frozen=True)
class Detail:
    holding: Holding
    terms: Sequence[Term]
    moments: Sequence[Moment]
    timeline: Sequence[timeline.Entry]
    """Everything that happened to it, newest first (B-18)."""
    entry: DoorEntry | None
    """What the door remembers: reason, ticket, note."""


def current(*, member: Member, now: datetime) -> list[Holding]:
    """Return what she holds now, as ordered in her own list; two queries for any number."""
    held = _related(Assignment.objects.filter(member=member).visible(now)).order_by("rank", "ends_at", "-issued_at")
    return [_holding(each, now) for each in held[:MOST]]


def given_to(*, member: Member) -> QuerySet[Assignment]:
    """Return everything that she was ever given, with all that a holding speaks of."""
    return _related(Assignment.objects.filter(member=member))


def past(*, member: Member, now: datetime, page: int = 1) -> tuple[list[Holding], bool]:
    """Return a page of what she held before, newest first, and whether there is more."""
    over = Assignment.objects.filter(member=member).exclude(pk__in=_visible_ids(member, now))
    first = PAGE * (page - 1)
    held = list(_related(over).order_by("-issued_at", "-pk")[first : first + PAGE + 1])
    return [_holding(each, now) for each in held[:PAGE]], len(held) > PAGE


def get(*, programme: Programme, assignment_id: UUID) -> Assignment:
    """Return the programme's assignment. Raises NotFound, also for another programme's."""
    found = _related(Assignment.objects.of_programme(programme)).filter(pk=assignment_id).first()
    if found is None:
        raise NotFound(str(_("There is no such assignment here.")))
    return found


def name(assignment: Assignment) -> str:
    """Return what the assignment's offer is called now."""
    return (assignment.config_offer.current_revision or assignment.revision).name


def detail(*, assignment: Assignment, now: datetime) -> Detail:
    """Return the assignment with its terms in words, moments and timeline; a fixed number of queries."""
    history = timeline.timeline(assignment=assignment)
    issued, now_given = history[0].details["terms"], assignment.terms or {}
    return Detail(
        holding=_holding(assignment, now),
        terms=[
            replace(term, is_changed=now_given.get(term.rule) != issued.get(term.rule))
            for term in terms(assignment=assignment)
        ],
        moments=_moments(assignment),
        timeline=history[::-1],
        entry=DoorEntry.objects.filter(member=assignment.member, assignment=assignment).first(),
    )


def terms(*, assignment: Assignment) -> list[Term]:
    """Return the effective terms in sentences, each with its origin (S0-08)."""
    programme = assignment.config_offer.programme
    return explained(
        base=assignment.revision.terms,
        given=assignment.terms or {},
        currency=programme.currency,
        zone=programme.zone,
    )


def explained(*, base: dict[str, Any], given: dict[str, Any], currency: str, zone: Any) -> list[Term]:
    """Return `base || given` in sentences, each marked with where its value comes from."""
    own = {line.rule: line.text for line in rules.explain(base, currency=currency, zone=zone)}
    lines = rules.explain(rules.effective(base, given), currency=currency, zone=zone)
    return [
        Term(
            rule=line.rule,
            label=rules.KINDS[line.rule].label,
            text=line.text,
            is_given=line.rule in given,
            instead_of=own.get(line.rule, "") if line.rule in given else "",
        )
        for line in lines
    ]


def _related(queryset: QuerySet[Assignment]) -> QuerySet[Assignment]:
    return queryset.select_related(
        "member__programme",
        "config_offer__programme",
        "config_offer__current_revision",
        "revision",
        "template",
        "voucher_code__segment",
        "campaign",
        "run",
        "actor",
    )


def _visible_ids(member: Member, now: datetime) -> QuerySet[Assignment, Any]:
    return Assignment.objects.filter(member=member).visible(now).values("pk")


def _holding(assignment: Assignment, now: datetime) -> Holding:
    status = assignment.status(now)
    has_code = assignment.voucher_code_id is not None
    is_live = status not in {"revoked", "used_up", "closed"}
    can_mend = is_live and assignment.source != Source.ATTRIBUTE
    return Holding(
        assignment=assignment,
        status=status,
        has_code=has_code,
        can_show_code=has_code and status in {"usable", "upcoming", "waiting_for_acceptance"},
        can_undo=is_live,
        can_reissue=can_mend,
        can_extend=can_mend and assignment.ends_at is not None,
        can_redeem=status in {"usable", "expired"},
        can_close=is_live and status != "expired",
        is_imported=assignment.source == Source.ATTRIBUTE,
    )


def _moments(assignment: Assignment) -> list[Moment]:
    return [
        Moment(_("Issued"), assignment.issued_at),
        Moment(_("Confirmed by the till"), assignment.synchronized_at),
        Moment(_("Usable from"), assignment.starts_at),
        Moment(_("Usable until"), assignment.ends_at, is_end=True),
        Moment(_("Seen by the member"), assignment.seen_at),
        Moment(_("Accepted"), assignment.accepted_at),
        Moment(_("Code first shown"), assignment.exposed_at),
        Moment(_("Used up"), assignment.used_up_at),
        Moment(_("Revoked"), assignment.revoked_at),
        Moment(_("Closed"), assignment.closed_at),
    ]
