"""What Home shows: the marketer's board and the agent's desk (SCREENS, Home).

Nothing here reads what the role may not see; every number is one set-based query.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import formats
from django.utils.translation import gettext

from loyalty import clock
from loyalty.models import AuditEvent, Member, Programme, User
from offers.models import DoorEntry, GrantLedgerEntry, MassAssignment, VoucherBank
from offers.models.limit import day_of
from offers.selectors import voucher as vouchers
from support.models import GrantRequest
from support.selectors import allowance, decision, grant_request, period
from support.selectors.allowance import Bounds, Usage
from support.selectors.decision import Decisions

WEEKS = 12
RECENT_MEMBERS = 8
# A rate from the last minute's committed chunks: older ones say nothing about now.
RATE_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """A run on its way: `processed` counts rows of committed chunks only."""

    run: MassAssignment
    processed: int
    total: int
    per_minute: int

    @property
    def tone(self) -> str:
        return "needs" if self.run.state == MassAssignment.State.PAUSED else ""

    @property
    def minutes_left(self) -> int | None:
        """Return about how long it will take, or None while nothing was committed lately."""
        if not self.per_minute:
            return None
        return max(1, round((self.total - self.processed) / self.per_minute))


@dataclass(frozen=True)
class Board:
    """The marketer's Home, apart from what moves and what is counted."""

    awaiting_approval: int
    failed: list[MassAssignment]
    low_banks: list[VoucherBank]
    undone_today: int


@dataclass(frozen=True)
class Desk:
    """The agent's Home."""

    recent_members: list[Member]
    bounds: Bounds
    usage: Usage
    """What she granted today and this week, and what counts for her (B-05)."""
    undone_today: int
    decisions: Decisions
    """What others decided about hers and she has not read yet."""
    own_requests: list[GrantRequest]
    """Hers that wait for a second person, and what became of others lately, as far as she knows of it."""
    to_approve: int
    """Others' that wait for her."""


@dataclass(frozen=True)
class Week:
    begins: date
    issued: int
    accepted: int
    # Uses at the till: an assignment may have several.
    used: int


@dataclass(frozen=True)
class Figures:
    counted_at: datetime
    open: int
    issued: int
    accepted: int
    # Assignments that have no use left.
    used: int
    weeks: list[Week]

    @property
    def labels(self) -> list[str]:
        return [formats.date_format(week.begins, "j M") for week in self.weeks]

    @property
    def series(self) -> list[dict[str, Any]]:
        return [
            {"label": gettext("issued"), "values": [week.issued for week in self.weeks]},
            {"label": gettext("accepted"), "values": [week.accepted for week in self.weeks]},
            {"label": gettext("uses"), "values": [week.used for week in self.weeks]},
        ]

    @property
    def sentence(self) -> str:
        """Say the chart in words, for who does not see it."""
        return gettext("This week: %(issued)d issued, %(accepted)d accepted, %(used)d uses.") % vars(self.weeks[-1])


def board(*, programme: Programme, user: User, now: datetime) -> Board | None:
    """Return the marketer's board, or None for a role without runs and where the offers module is off (S4-41)."""
    if not programme.offers_enabled or not user.has_perm("offers.view_massassignment"):
        return None
    runs = MassAssignment.objects.filter(programme=programme)
    state = MassAssignment.State
    troubled = runs.filter(
        state__in=[state.FAILED, state.FINISHED_WITH_ERRORS], updated_at__gte=now - timedelta(days=7)
    )
    return Board(
        awaiting_approval=_to_approve(runs, user),
        failed=list(troubled.order_by("-id")[:3]),
        low_banks=vouchers.needing(programme=programme, now=now),
        undone_today=runs.filter(state=state.UNDONE, updated_at__gte=_today(programme, now)).count(),
    )


def _to_approve(runs: QuerySet[MassAssignment], user: User) -> int:
    """Return how many runs wait for this person: her own wait for somebody else."""
    if not user.has_perm("offers.approve_massassignment"):
        return 0
    waiting = runs.filter(state=MassAssignment.State.AWAITING_APPROVAL)
    return waiting.exclude(approvals__decision="", approvals__requested_by=user).exclude(launched_by=user).count()


def running(*, programme: Programme, now: datetime) -> list[Running]:
    """Return the runs on their way, newest first, with their committed progress and rate."""
    state = MassAssignment.State
    done = Q(chunks__done_at__isnull=False)
    runs = (
        MassAssignment.objects.filter(programme=programme, state__in=[state.PLANNED, state.RUNNING, state.PAUSED])
        .select_related("config_offer", "targeting_version__targeting")
        .annotate(
            processed=Coalesce(Sum("chunks__size", filter=done), 0),
            total=Coalesce(Sum("chunks__size"), 0),
            lately=Coalesce(
                Sum("chunks__size", filter=Q(chunks__done_at__gte=now - timedelta(seconds=RATE_SECONDS))), 0
            ),
        )
        .order_by("-id")[:5]
    )
    found = []
    for run in runs:
        began = max(run.planned_at or now, now - timedelta(seconds=RATE_SECONDS))
        seconds = max((now - began).total_seconds(), 1)
        rate = round(run.lately * 60 / seconds) if run.state == state.RUNNING else 0
        found.append(Running(run, run.processed, run.total, rate))
    return found


def desk(*, programme: Programme, user: User, now: datetime) -> Desk | None:
    """Return the agent's desk, or None for a role that does not grant."""
    if not user.has_perm("offers.grant_assignment"):
        return None
    decisions = decision.unread(programme=programme, user=user)
    unread = {one.pk for one in decisions.single}
    own = grant_request.own(programme=programme, user=user, now=now)
    return Desk(
        recent_members=recent_members(programme=programme, user=user),
        bounds=allowance.bounds(programme=programme, agent=user),
        usage=allowance.usage(programme=programme, agent=user, now=now),
        undone_today=GrantLedgerEntry.objects.filter(
            agent=user, programme=programme, n=-1, at__gte=_today(programme, now), day__gte=_last_week(programme, now)
        ).count(),
        decisions=decisions,
        own_requests=[one for one in own if one.pk not in unread],
        to_approve=grant_request.count(programme=programme, user=user),
    )


def recent_members(*, programme: Programme, user: User) -> list[Member]:
    """Return the members this person looked at or granted to, the latest first."""
    looked = (
        AuditEvent.objects.filter(user=user, object_type="loyalty.member")
        .order_by("-at")
        .values_list("object_id", "at")
    )
    granted = (
        DoorEntry.objects.filter(actor=user, member__isnull=False)
        .order_by("-created_at")
        .values_list("member_id", "created_at")
    )
    moments: dict[int, datetime] = {}
    for key, at in [*looked[:60], *((str(key), at) for key, at in granted[:60])]:
        if key.isdigit():
            moments[int(key)] = max(at, moments.get(int(key), at))
    latest = sorted(moments, key=lambda key: moments[key], reverse=True)[:RECENT_MEMBERS]
    members = Member.objects.filter(programme=programme).exclude(status=Member.Status.ERASED).in_bulk(latest)
    return [members[key] for key in latest if key in members]


def figures(*, programme: Programme, now: datetime) -> Figures:
    """Count the programme's assignments and what came of them, in all and for the last twelve weeks.

    Reads the whole assignments table once: the caller keeps the answer for a while and shows `counted_at`.
    """
    zone = programme.timezone
    monday = period.monday(day_of(now, programme.zone))
    first = clock.start_of_day(monday - timedelta(weeks=WEEKS - 1), programme.zone)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH offer AS MATERIALIZED (
                SELECT id FROM offers_configoffer WHERE programme_id = %(programme)s
            ), given AS (
                SELECT
                    CASE WHEN issued_at >= %(first)s
                    THEN date_trunc('week', issued_at AT TIME ZONE %(zone)s) END AS week,
                    count(*) AS issued,
                    count(accepted_at) AS accepted,
                    count(used_up_at) AS used,
                    count(*) FILTER (
                        WHERE revoked_at IS NULL AND used_up_at IS NULL AND closed_at IS NULL
                        AND (ends_at IS NULL OR ends_at > %(now)s)
                    ) AS open
                FROM offers_assignment
                WHERE config_offer_id IN (SELECT id FROM offer)
                GROUP BY 1
            ), taken AS (
                SELECT date_trunc('week', accepted_at AT TIME ZONE %(zone)s) AS week, count(*) AS accepted
                FROM offers_assignment
                WHERE config_offer_id IN (SELECT id FROM offer) AND accepted_at >= %(first)s
                GROUP BY 1
            ), redeemed AS (
                SELECT date_trunc('week', redeemed_at AT TIME ZONE %(zone)s) AS week, count(*) AS used
                FROM offers_redemption
                WHERE config_offer_id IN (SELECT id FROM offer) AND redeemed_at >= %(first)s AND returned_at IS NULL
                GROUP BY 1
            ), total AS (
                SELECT sum(open) AS open, sum(issued) AS issued, sum(accepted) AS accepted, sum(used) AS used FROM given
            )
            SELECT
                week::date, coalesce(given.issued, 0), coalesce(taken.accepted, 0), coalesce(redeemed.used, 0),
                coalesce(total.open, 0), coalesce(total.issued, 0), coalesce(total.accepted, 0), coalesce(total.used, 0)
            FROM total
            CROSS JOIN generate_series(
                %(monday)s::timestamp - make_interval(weeks => %(weeks)s - 1), %(monday)s::timestamp, interval '1 week'
            ) AS week
            LEFT JOIN given USING (week) LEFT JOIN taken USING (week) LEFT JOIN redeemed USING (week)
            ORDER BY week
            """,
            {
                "programme": programme.pk,
                "now": now,
                "zone": zone,
                "first": first,
                "monday": monday,
                "weeks": WEEKS,
            },
        )
        rows = cursor.fetchall()
    *_, last = rows
    return Figures(
        counted_at=now,
        open=int(last[4]),
        issued=int(last[5]),
        accepted=int(last[6]),
        used=int(last[7]),
        weeks=[Week(*row[:4]) for row in rows],
    )


def _last_week(programme: Programme, now: datetime) -> date:
    """Bound the index: what was granted longer ago is hardly undone today."""
    return allowance.since(programme, 8, now)


def _today(programme: Programme, now: datetime) -> datetime:
    return clock.start_of_day(day_of(now, programme.zone), programme.zone)
