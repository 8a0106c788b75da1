"""Shared limits at work: what is left, taking it, giving it back (DESIGN 4, D-05).

Lock order: members' counts in the order of campaign and member, then limits in the order of their ids, and nothing
after them but inserting. Looking happens under the lock, so any number of writers is exact together.

A share goes back when an assignment is taken back (revoked, undone, reissued) and when a run ends with leftovers. It
does not when an offer expires or is used up: it was given, and the money may have been spent.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db.models import Q

from loyalty.database import execute, rows
from loyalty.models import Programme
from offers.models import Limit
from offers.models.limit import day_of
from offers.services.reason import Reason
from offers.services.shortfall import Shortfall

# Adds (or, with negative numbers, takes) what was given to a limit. What is taken back counts for the day it was given
# on, while that is still the day that the row counts. When it was set last is left alone: the sweeper asks that.
MOVE = """
    UPDATE offers_limit AS shared
       SET assigned = shared.assigned + moved.n,
           spent_minor = shared.spent_minor + moved.spent,
           assigned_today = CASE WHEN shared.day >= moved.day THEN shared.assigned_today
                                 WHEN moved.n > 0 THEN 0 ELSE shared.assigned_today END
                            + CASE WHEN moved.n > 0 OR shared.day = moved.day THEN moved.n ELSE 0 END,
           spent_today_minor = CASE WHEN shared.day >= moved.day THEN shared.spent_today_minor
                                    WHEN moved.n > 0 THEN 0 ELSE shared.spent_today_minor END
                               + CASE WHEN moved.n > 0 OR shared.day = moved.day THEN moved.spent ELSE 0 END,
           day = CASE WHEN moved.n > 0 THEN greatest(shared.day, moved.day) ELSE shared.day END
      FROM unnest(%(ids)s::bigint[], %(n)s::bigint[], %(spent)s::bigint[], %(days)s::date[])
           AS moved (id, n, spent, day)
     WHERE shared.id = moved.id
"""
WARN = """
    UPDATE offers_limit SET overdrawn_at = %(now)s
     WHERE id = ANY(%(ids)s) AND NOT is_budget_hard AND overdrawn_at IS NULL
       AND (spent_minor > budget_minor OR spent_today_minor > daily_budget_minor)
"""
# Locks each member's count, made where there was none.
LOCK_COUNTS = """
    INSERT INTO offers_membercount AS counted (campaign_id, member_id, assigned)
    SELECT DISTINCT wish.campaign_id, coalesce(by_id.id, named.id), 0
      FROM unnest(%(campaigns)s::bigint[], %(ids)s::bigint[], %(external_ids)s::text[])
           AS wish (campaign_id, by_id, by_external_id)
      LEFT JOIN loyalty_member AS by_id ON by_id.id = wish.by_id AND by_id.programme_id = %(programme_id)s
      LEFT JOIN loyalty_member AS named
        ON wish.by_id IS NULL AND named.programme_id = %(programme_id)s AND named.external_id = wish.by_external_id
     WHERE coalesce(by_id.id, named.id) IS NOT NULL
     ORDER BY 1, 2
        ON CONFLICT (campaign_id, member_id) DO UPDATE SET assigned = counted.assigned
    RETURNING campaign_id, member_id, assigned
"""
COUNT_MEMBERS = """
    UPDATE offers_membercount AS counted
       SET assigned = counted.assigned + moved.n
      FROM unnest(%(campaigns)s::bigint[], %(members)s::bigint[], %(n)s::int[]) AS moved (campaign_id, member_id, n)
     WHERE counted.campaign_id = moved.campaign_id AND counted.member_id = moved.member_id
"""
# What is taken back is written down where nothing stands yet, too: what was given before may be counted only later.
COUNT_BACK = """
    INSERT INTO offers_membercount AS counted (campaign_id, member_id, assigned)
    SELECT campaign_id, %(member_id)s, -1 FROM offers_limit
     WHERE campaign_id = %(campaign_id)s AND per_member IS NOT NULL
        ON CONFLICT (campaign_id, member_id) DO UPDATE SET assigned = counted.assigned - 1
"""


@dataclass(frozen=True)
class Refusal:
    """Why a limit lets no more through: `cap_reached` or `budget_reached`, the sentence, and how much is missing."""

    code: str
    reason: Reason
    short: int


@dataclass
class Ledger:
    """Locked limits, and what a set takes from them while it is decided, in its order."""

    limits: Sequence[Limit]
    day: date
    currency: str
    taken: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def of(self, *, offer_id: int, campaign_id: int | None) -> Iterable[Limit]:
        for limit in self.limits:
            if limit.config_offer_id == offer_id or (campaign_id and limit.campaign_id == campaign_id):
                yield limit

    def refusal(self, *, offer_id: int, campaign_id: int | None, exposure_minor: int, n: int = 1) -> Refusal | None:
        """Return why `n` more assignments of that worst case each do not fit, or None."""
        every = self.refusals(offer_id=offer_id, campaign_id=campaign_id, spending_minor=exposure_minor * n, n=n)
        return next(every, None)

    def refusals(self, *, offer_id: int, campaign_id: int | None, spending_minor: int, n: int) -> Iterator[Refusal]:
        """Yield every reason why `n` more assignments, of that worst case together, do not fit."""
        for limit in self.of(offer_id=offer_id, campaign_id=campaign_id):
            yield from self._refusals(limit, n, spending_minor)

    def left(self, *, offer_id: int, campaign_id: int | None) -> Iterator[tuple[str, int]]:
        """Yield what each limit leaves: `cap_reached` with assignments, `budget_reached` with minor units of money."""
        for limit in self.of(offer_id=offer_id, campaign_id=campaign_id):
            if limit.counted_at is None:
                continue
            given_today, spent_today = limit.on(self.day)
            for most, given in ((limit.cap, limit.assigned), (limit.daily_cap, given_today)):
                if most is not None:
                    yield "cap_reached", max(0, most - given)
            for most, spent in ((limit.budget_minor, limit.spent_minor), (limit.daily_budget_minor, spent_today)):
                if most is not None and limit.is_budget_hard:
                    yield "budget_reached", max(0, most - spent)

    def take(self, *, offer_id: int, campaign_id: int | None, exposure_minor: int, n: int = 1) -> None:
        """Take `n` assignments of that worst case together."""
        for limit in self.of(offer_id=offer_id, campaign_id=campaign_id):
            taken = self.taken[limit.pk]
            taken[0] += n
            taken[1] += exposure_minor

    def _refusals(self, limit: Limit, n: int, spending: int) -> Iterator[Refusal]:
        if limit.counted_at is None:
            return
        taken_n, taken_minor = self.taken.get(limit.pk, (0, 0))
        given_today, spent_today = limit.on(self.day)
        for name, most, given in (
            ("cap", limit.cap, limit.assigned),
            ("daily_cap", limit.daily_cap, given_today),
        ):
            short = given + taken_n + n - most if most is not None else 0
            if most is not None and short > 0:
                yield Refusal("cap_reached", self._reason(limit, name, most), min(short, n))
        if not limit.is_budget_hard or not spending:
            return
        for name, most, spent in (
            ("budget", limit.budget_minor, limit.spent_minor),
            ("daily_budget", limit.daily_budget_minor, spent_today),
        ):
            short = spent + taken_minor + spending - most if most is not None else 0
            if most is not None and short > 0:
                yield Refusal("budget_reached", self._reason(limit, name, most), min(short, spending))

    def _reason(self, limit: Limit, name: str, most: int) -> Reason:
        owner = "offer" if limit.config_offer_id else "campaign"
        is_money = name.endswith("budget")
        return Reason(f"{owner}_{name}", parameters={"limit": most} | ({"currency": self.currency} if is_money else {}))


def lock(*, offer_ids: Collection[int], campaign_ids: Collection[int]) -> list[Limit]:
    """Lock the limits of these offers and campaigns, in order, and return what they say under the lock."""
    return list(
        Limit.objects.filter(Q(config_offer_id__in=offer_ids) | Q(campaign_id__in=campaign_ids))
        .order_by("pk")
        .select_for_update(no_key=True)
    )


def count(*, taken: Mapping[int, Sequence[int]], day: date, now: datetime) -> None:
    """Write down what was taken (limit: how many, for how much); a soft budget that this overdraws warns."""
    moved = {pk: pair for pk, pair in taken.items() if pair[0]}
    if not moved:
        return
    move(moved, dict.fromkeys(moved, day))
    execute(WARN, {"ids": list(moved), "now": now})


def move(moved: Mapping[int, Sequence[int]], days: Mapping[int, date]) -> None:
    execute(
        MOVE,
        {
            "ids": list(moved),
            "n": [pair[0] for pair in moved.values()],
            "spent": [pair[1] for pair in moved.values()],
            "days": [days[pk] for pk in moved],
        },
    )


def lock_counts(
    *, programme_id: int, wishes: Sequence[tuple[int, int | None, str | None]]
) -> dict[tuple[int, int], int]:
    """Lock the counts of (campaign, member's id, or her external id); return them by campaign and member."""
    locked = rows(
        LOCK_COUNTS,
        {
            "programme_id": programme_id,
            "campaigns": [campaign for campaign, _id, _external in wishes],
            "ids": [by_id for _campaign, by_id, _external in wishes],
            "external_ids": [external for _campaign, _id, external in wishes],
        },
    )
    return {(row["campaign_id"], row["member_id"]): row["assigned"] for row in locked}


def count_members(*, moved: Mapping[tuple[int, int], int]) -> None:
    """Add to the counts of (campaign, member) what they were given; the counts are locked."""
    if moved:
        execute(
            COUNT_MEMBERS,
            {
                "campaigns": [campaign for campaign, _member in moved],
                "members": [member for _campaign, member in moved],
                "n": list(moved.values()),
            },
        )


def give_back(
    *,
    offer_id: int,
    campaign_id: int | None,
    member_id: int,
    exposure_minor: int,
    given_at: datetime,
    zone: ZoneInfo,
) -> None:
    """Give one assignment's share back to the limits of its offer and campaign. `given_at` is when it was counted.

    For whoever takes an assignment back, as the last thing in the transaction. (D-01, D-05)
    """
    campaigns = [campaign_id] if campaign_id else []
    if campaign_id:
        execute(COUNT_BACK, {"campaign_id": campaign_id, "member_id": member_id})
    limits = lock(offer_ids=[offer_id], campaign_ids=campaigns)
    if limits:
        day = day_of(given_at, zone)
        move({limit.pk: (-1, -exposure_minor) for limit in limits}, {limit.pk: day for limit in limits})


def refusal_of_one(
    *, programme: Programme, offer_id: int, campaign_id: int | None, exposure_minor: int, now: datetime
) -> Refusal | None:
    """Return why one more assignment would be refused now, or None. Locks nothing."""
    ledger = ledger_of(programme, offer_id, campaign_id, now)
    return ledger.refusal(offer_id=offer_id, campaign_id=campaign_id, exposure_minor=exposure_minor)


def foresee(
    *, programme: Programme, offer_id: int, campaign_id: int | None, size: int, spending_minor: int, now: datetime
) -> list[Shortfall]:
    """Return all that limits would have too little of, were `size` members given the offer now. Locks nothing.

    `spending_minor` is the worst case of all of them together.
    """
    return shortfalls(ledger_of(programme, offer_id, campaign_id, now), offer_id, campaign_id, size, spending_minor)


def ledger_of(programme: Programme, offer_id: int, campaign_id: int | None, now: datetime) -> Ledger:
    limits = list(Limit.objects.filter(Q(config_offer_id=offer_id) | Q(campaign_id=campaign_id or 0)).order_by("pk"))
    return Ledger(limits, day_of(now, programme.zone), programme.currency)


def shortfalls(
    ledger: Ledger, offer_id: int, campaign_id: int | None, size: int, spending_minor: int
) -> list[Shortfall]:
    if not size:
        return []
    return [
        Shortfall(
            found.code,
            found.reason.code,
            size if found.code == "cap_reached" else spending_minor,
            found.short,
            ledger.currency,
        )
        for found in ledger.refusals(offer_id=offer_id, campaign_id=campaign_id, spending_minor=spending_minor, n=size)
    ]


UNCOUNTED = 2**31 - 1


def most_per_member(limit: Limit) -> int | None:
    """Return how many the campaign gives a member; more than anybody gets while members are still being counted."""
    if limit.per_member is not None and limit.members_counted_at is None:
        return UNCOUNTED
    return limit.per_member
