"""Allowances of the desk: which one counts for whom, what the ledger has counted, what a grant would exceed (B-05)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Max, Q, Sum
from django.db.models.functions import Coalesce

from loyalty.models import Programme, User
from offers.models import GrantLedgerEntry
from offers.models.limit import day_of
from support.models import Allowance, MemberAllowance
from support.models.allowance import LIMITS
from support.selectors.period import monday


@dataclass(frozen=True)
class Bounds:
    """What counts for one agent: an empty limit is none. `of_members` is what one member may be given by anybody."""

    per_day: int | None = None
    day_minor: int | None = None
    per_week: int | None = None
    week_minor: int | None = None
    single_minor: int | None = None
    of_members: MemberAllowance | None = None

    @property
    def are_any(self) -> bool:
        return self.of_members is not None or any(getattr(self, name) is not None for name in LIMITS)


@dataclass(frozen=True)
class Usage:
    """What the ledger has counted for an agent today and this week: numbers, and worst cases in minor units."""

    today: int = 0
    today_minor: int = 0
    week: int = 0
    week_minor: int = 0


@dataclass(frozen=True)
class MemberUsage:
    """What the desk gave a member within the days that are looked back."""

    number: int = 0
    amount_minor: int = 0


@dataclass(frozen=True)
class Excess:
    """A limit that a grant goes beyond: its code, what is allowed, and what would be reached with the grant."""

    limit: str
    allowed: int
    reached: int

    @property
    def over(self) -> int:
        return self.reached - self.allowed

    def as_stored(self) -> dict[str, Any]:
        return {"limit": self.limit, "allowed": self.allowed, "reached": self.reached}


# Limits of a member, beside those of an agent (`LIMITS`); money or not.
OF_MEMBERS = {"member_number": False, "member_minor": True}
IS_MONEY = LIMITS | OF_MEMBERS


def bounds(*, programme: Programme, agent: User) -> Bounds:
    """Return what counts for an agent: her own row, else her roles' most generous, else everybody's. Two queries."""
    rows = list(
        Allowance.objects.filter(
            Q(user=agent) | Q(role__in=agent.groups.all()) | Q(user=None, role=None), programme=programme
        )
    )
    of_members = MemberAllowance.objects.filter(programme=programme).first()
    return Bounds(**counting(rows), of_members=of_members)


def counting(rows: Sequence[Allowance]) -> dict[str, int | None]:
    """Return the limits that count of the rows that concern one agent: own, of her roles, everybody's; pure."""
    own = [row for row in rows if row.user_id]
    roles = [row for row in rows if row.role_id]
    return {name: _most_generous([getattr(row, name) for row in own or roles or rows]) for name in LIMITS}


def _most_generous(values: Sequence[int | None]) -> int | None:
    """An empty limit is none, and nothing is more generous than that."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def usage(*, programme: Programme, agent: User, now: datetime) -> Usage:
    """Return what the ledger has counted for the agent; what was taken back does not count."""
    return usages(programme=programme, agents=[agent.pk], now=now).get(agent.pk, Usage())


def usages(*, programme: Programme, agents: Iterable[int] | None, now: datetime) -> dict[int, Usage]:
    """Return the same of several agents, or of everybody with a grant this week, by their ids; one query."""
    day = day_of(now, programme.zone)
    first = monday(day)
    # To the end of the week and not further: a clock that went back counts nothing twice.
    found = GrantLedgerEntry.objects.filter(programme=programme, day__gte=first, day__lt=first + timedelta(days=7))
    if agents is not None:
        found = found.filter(agent__in=list(agents))
    of_day = Q(day=day)
    rows = (
        found.order_by()
        .values("agent")
        .annotate(
            today=Coalesce(Sum("n", filter=of_day), 0),
            today_minor=Coalesce(Sum("exposure_minor", filter=of_day), 0),
            week=Sum("n"),
            week_minor=Sum("exposure_minor"),
        )
    )
    return {
        row["agent"]: Usage(row["today"], int(row["today_minor"]), row["week"], int(row["week_minor"])) for row in rows
    }


def since(programme: Programme, days: int, now: datetime) -> date:
    """Return the first of the last `days` days, today included."""
    return day_of(now, programme.zone) - timedelta(days=days - 1)


def member_usage(*, programme: Programme, member_ids: Sequence[int], days: int, now: datetime) -> MemberUsage:
    """Return what the desk gave within the days: to one member, or the most of several, number and money apart."""
    found = GrantLedgerEntry.objects.filter(member__in=list(member_ids), day__gte=since(programme, days, now))
    each = found.order_by().values("member").annotate(number=Sum("n"), amount=Sum("exposure_minor"))
    most = each.aggregate(most=Coalesce(Max("number"), 0), dearest=Coalesce(Max("amount"), 0))
    return MemberUsage(most["most"], int(most["dearest"]))


def dearest(*, assignment_ids: Sequence[Any]) -> int:
    """Return the largest worst case among grants that stand in the ledger."""
    rows = GrantLedgerEntry.objects.filter(assignment__in=list(assignment_ids), n=1)
    return int(rows.aggregate(dearest=Coalesce(Max("exposure_minor"), 0))["dearest"])


def exceeded(bounds: Bounds, used: Usage, member: MemberUsage, *, single_minor: int) -> list[Excess]:
    """Return each limit that is gone beyond by what was used, everything included; pure."""
    limits = [
        ("per_day", bounds.per_day, used.today),
        ("day_minor", bounds.day_minor, used.today_minor),
        ("per_week", bounds.per_week, used.week),
        ("week_minor", bounds.week_minor, used.week_minor),
        ("single_minor", bounds.single_minor, single_minor),
    ]
    if bounds.of_members:
        limits += [
            ("member_number", bounds.of_members.number, member.number),
            ("member_minor", bounds.of_members.amount_minor, member.amount_minor),
        ]
    return [
        Excess(name, allowed, reached) for name, allowed, reached in limits if allowed is not None and reached > allowed
    ]


def would_exceed(
    bounds: Bounds, used: Usage, member: MemberUsage, *, exposure_minor: int, number: int = 1
) -> list[Excess]:
    """Return what one more grant would exceed (`number` of them: each costs `exposure_minor`); pure."""
    cost = number * exposure_minor
    with_it = Usage(used.today + number, used.today_minor + cost, used.week + number, used.week_minor + cost)
    hers = MemberUsage(member.number + 1, member.amount_minor + exposure_minor)
    return exceeded(bounds, with_it, hers, single_minor=exposure_minor)


def read(stored: Iterable[Mapping[str, Any]]) -> list[Excess]:
    """Return the excesses that a request kept."""
    return [Excess(each["limit"], each["allowed"], each["reached"]) for each in stored]
