"""What a member held at a past moment, in the state of then: what happened since is turned back (D-10, S0-03).

Moments say when they were; what verbs changed besides (the end, the code, the values given) stands in their events with
the old value. Her attributes and contact data are kept only as they are now; her consents have a history of their own
(`loyalty.selectors.consent.as_of`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from loyalty.models import Member
from offers import rules
from offers.models import Assignment, AssignmentEvent
from support.selectors import assignment as assignments
from support.selectors.assignment import Holding

# Nobody was given so many; a bound, so that no page is ever without one.
MOST = 500
MOMENTS = (
    "synchronized_at",
    "exposed_at",
    "seen_at",
    "accepted_at",
    "used_up_at",
    "revoked_at",
    "closed_at",
)


@dataclass(frozen=True)
class Then:
    """What she held at the moment, and what was over by then, the latest first."""

    at: datetime
    current: Sequence[Holding]
    past: Sequence[Holding]


def then(*, member: Member, at: datetime) -> Then:
    """Return what the member held then, with the states of then. Two queries, however much happened since."""
    given = assignments.given_to(member=member).filter(issued_at__lte=at)
    held = list(given.order_by("-issued_at", "-pk")[:MOST])
    since: dict[UUID, list[AssignmentEvent]] = {}
    events = AssignmentEvent.objects.filter(assignment__in=[one.pk for one in held], at__gt=at)
    # The latest first: each gives back what was before it.
    for event in events.order_by("-id"):
        since.setdefault(event.assignment_id, []).append(event)
    holdings = [_holding(_turned_back(one, since.get(one.pk, ()), at), at) for one in held]
    current = [one for one in holdings if not one.is_over]
    current.sort(key=_as_listed)
    return Then(at, current, [one for one in holdings if one.is_over])


def _turned_back(held: Assignment, since: Sequence[AssignmentEvent], at: datetime) -> Assignment:
    """Return the assignment as it was at the moment, unsaved; `since` are its later events, the latest first."""
    for event in since:
        for name, values in event.data.items():
            if isinstance(values, list) and len(values) == 2:
                _put_back(held, name, values[0])
    for name in MOMENTS:
        known = getattr(held, name)
        if known is not None and known > at:
            setattr(held, name, None)
    return held


def _put_back(held: Assignment, name: str, old: Any) -> None:
    if name == "voucher_code":
        held.voucher_code_id = old["id"] if isinstance(old, Mapping) else None
    elif name == "ends_at" or name in MOMENTS:
        setattr(held, name, datetime.fromisoformat(old) if old else None)
    elif name == "holding_key":
        held.holding_key = old
    elif name in rules.KINDS:
        terms = {kind: value for kind, value in (held.terms or {}).items() if kind != name}
        held.terms = terms | ({name: old} if old is not None else {})


def _holding(held: Assignment, at: datetime) -> Holding:
    """Return the holding of then: nothing can be done to what is past."""
    return Holding(
        assignment=held,
        status=held.status(at),
        has_code=held.voucher_code_id is not None,
        can_show_code=False,
        can_undo=False,
        can_reissue=False,
        can_extend=False,
    )


def _as_listed(one: Holding) -> tuple[Any, ...]:
    """Order as her own list does: by rank, then by end."""
    held = one.assignment
    return held.rank, held.ends_at is None, held.ends_at or held.issued_at, held.pk
