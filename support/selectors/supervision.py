"""What agents granted, in figures: by agent, reason, offer and week, with what stands out (B-05).

The ledger's rows of the period are read once, whatever is asked of them; names are looked up afterwards, in bulk.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.db.models import Count
from django.utils import formats
from django.utils.translation import gettext as _

from loyalty import clock
from loyalty.database import rows
from loyalty.models import Member, Programme, User
from offers.models import ConfigOffer, OfferTemplate
from support.models import GrantBatch, GrantRequest
from support.selectors import reason
from support.selectors.period import Period

# How much of each list is shown; all of it is behind its link.
MOST_MEMBERS = MOST_TICKETS = MOST_TEMPLATES = 10
# With fewer agents a quartile says nothing.
FEWEST_AGENTS = 5
# An agent with fewer grants does not stand out, however quiet the others were.
FEWEST_GRANTS = 5
# What lies so many interquartile ranges above the third quartile stands out (Tukey's fences).
FENCE = 1.5

# A counter-row repeats its grant's keys and day, so sums of `n` and of money are of what stands.
OVERVIEW = """
WITH given AS MATERIALIZED (
    SELECT agent_id, member_id, config_offer_id, template_id, reason, ticket_key, n, exposure_minor,
           day - (extract(isodow FROM day)::int - 1) AS week
      FROM offers_grantledgerentry
     WHERE programme_id = %(programme)s AND day BETWEEN %(first)s AND %(last)s
), template AS (
    SELECT template_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY exposure_minor) AS median
      FROM given WHERE n = 1 GROUP BY template_id
)
SELECT CASE grouping(agent_id, reason, config_offer_id, week)
            WHEN 7 THEN 'agent' WHEN 11 THEN 'reason' WHEN 13 THEN 'offer' WHEN 14 THEN 'week' ELSE 'all' END AS kind,
       coalesce(agent_id::text, reason, config_offer_id::text, week::text) AS key,
       count(*) FILTER (WHERE n = 1) AS granted,
       coalesce(sum(exposure_minor) FILTER (WHERE n = 1), 0)::bigint AS granted_minor,
       count(*) FILTER (WHERE n = -1) AS back,
       coalesce(-sum(exposure_minor) FILTER (WHERE n = -1), 0)::bigint AS back_minor
  FROM given
 GROUP BY GROUPING SETS ((agent_id), (reason), (config_offer_id), (week), ())
UNION ALL
(SELECT 'member', member_id::text, sum(n), sum(exposure_minor)::bigint, 0, 0
   FROM given GROUP BY member_id HAVING sum(n) > 1 ORDER BY sum(n) DESC, sum(exposure_minor) DESC, member_id
  LIMIT %(members)s)
UNION ALL
(SELECT 'ticket', ticket_key, sum(n), sum(exposure_minor)::bigint, 0, 0
   FROM given WHERE ticket_key <> '' GROUP BY ticket_key HAVING sum(n) > 1
  ORDER BY sum(n) DESC, sum(exposure_minor) DESC, ticket_key
  LIMIT %(tickets)s)
UNION ALL
(SELECT 'template', template_id::text, count(*), max(median)::bigint, 0, 0
   FROM given JOIN template USING (template_id) WHERE n = 1 AND exposure_minor > median
  GROUP BY template_id ORDER BY count(*) DESC, template_id
  LIMIT %(templates)s)
"""


@dataclass(frozen=True)
class Line:
    """What was granted under one key, and what of it was taken back; money in minor units."""

    # What the ledger's list filters by: of a member her external id, of a week its Monday.
    key: str
    label: str
    granted: int = 0
    granted_minor: int = 0
    back: int = 0
    back_minor: int = 0
    # What asked for approval and still waits, and what was declined.
    waiting: int = 0
    declined: int = 0

    @property
    def kept(self) -> int:
        return self.granted - self.back

    @property
    def kept_minor(self) -> int:
        return self.granted_minor - self.back_minor


@dataclass(frozen=True)
class Outlier:
    """An agent far above the others: by number, by money, or both. The fences are what she lies above."""

    line: Line
    by_number: bool
    by_money: bool


@dataclass(frozen=True)
class Overview:
    """The figures of a period, each list with the largest first but for the weeks."""

    period: Period
    total: Line
    agents: list[Line] = field(default_factory=list)
    reasons: list[Line] = field(default_factory=list)
    offers: list[Line] = field(default_factory=list)
    weeks: list[Line] = field(default_factory=list)
    members: list[Line] = field(default_factory=list)
    tickets: list[Line] = field(default_factory=list)
    # Number of grants above the median, and the median as its money.
    templates: list[Line] = field(default_factory=list)
    outliers: list[Outlier] = field(default_factory=list)
    # None: too few agents to tell.
    number_fence: float | None = None
    money_fence: float | None = None


def overview(*, programme: Programme, period: Period) -> Overview:
    """Count the period's grants: one statement for the figures, one for each kind of name, three for requests."""
    found = rows(
        OVERVIEW,
        {
            "programme": programme.pk,
            "first": period.first,
            "last": period.last,
            "members": MOST_MEMBERS,
            "tickets": MOST_TICKETS,
            "templates": MOST_TEMPLATES,
        },
    )
    names = _names(programme, found)

    def lines(kind: str) -> list[Line]:
        return [_line(row, *names[kind](row["key"])) for row in found if row["kind"] == kind]

    agents = _with_requests(programme, period, sorted(lines("agent"), key=_size))
    granting = [line for line in agents if line.granted]
    fences = _fence([line.kept for line in granting]), _fence([line.kept_minor for line in granting])
    return Overview(
        period=period,
        total=next(_line(row) for row in found if row["kind"] == "all"),
        agents=agents,
        reasons=sorted(lines("reason"), key=_size),
        offers=sorted(lines("offer"), key=_size),
        weeks=_weeks(period, {line.key: line for line in lines("week")}),
        members=lines("member"),
        tickets=lines("ticket"),
        templates=lines("template"),
        outliers=_outliers(agents, *fences),
        number_fence=fences[0],
        money_fence=fences[1],
    )


def _line(row: Mapping[str, Any], key: str = "", label: str = "") -> Line:
    granted, granted_minor = int(row["granted"]), int(row["granted_minor"])
    return Line(key, label, granted, granted_minor, int(row["back"]), int(row["back_minor"]))


def _with_requests(programme: Programme, period: Period, agents: Sequence[Line]) -> list[Line]:
    """Add what each asked for in the period that waits for a second person or was declined, sets of many included."""
    begin, end = (
        clock.start_of_day(period.first, programme.zone),
        clock.end_of_day(period.last, programme.zone),
    )
    found: dict[str, dict[str, int]] = {}
    for model in (GrantRequest, GrantBatch):
        asked = model.objects.filter(
            programme=programme, asked_at__gte=begin, asked_at__lt=end, state__in=["waiting", "declined"]
        )
        for agent, state, n in asked.order_by().values_list("asked_by", "state").annotate(n=Count("pk")):
            told = found.setdefault(str(agent), {})
            told[state] = told.get(state, 0) + n
    keys = [int(key) for key in found.keys() - {line.key for line in agents}]
    others = [Line(str(one.pk), str(one)) for one in User.objects.filter(pk__in=keys).order_by("pk")]
    return [
        replace(line, waiting=told.get("waiting", 0), declined=told.get("declined", 0))
        for line in [*agents, *others]
        for told in [found.get(line.key, {})]
    ]


def _size(line: Line) -> tuple[int, int, str]:
    return -line.kept, -line.kept_minor, line.label


def _names(programme: Programme, found: Sequence[Mapping[str, Any]]) -> dict[str, Callable[[str], tuple[str, str]]]:
    """Return for each kind of key what filters by it and what it is called; a query a kind, for those found."""

    def keys(kind: str) -> list[int]:
        return [int(row["key"]) for row in found if row["kind"] == kind]

    people = {str(one.pk): str(one) for one in User.objects.filter(pk__in=keys("agent"))}
    known = ConfigOffer.objects.filter(programme=programme, pk__in=keys("offer")).select_related("current_revision")
    offers = {str(one.pk): one.current_revision.name if one.current_revision else one.name for one in known}
    members = {
        str(one.pk): (one.external_id, f"{one} ({one.external_id})")
        for one in Member.objects.filter(programme=programme, pk__in=keys("member"))
    }
    templates = {
        str(one.pk): one.name for one in OfferTemplate.objects.filter(programme=programme, pk__in=keys("template"))
    }
    reasons = reason.labels(programme=programme)
    return {
        "agent": lambda key: (key, people.get(key, key)),
        "offer": lambda key: (key, offers.get(key, key)),
        "member": lambda key: members.get(key, ("", key)),
        "template": lambda key: (key, templates.get(key, key)),
        "reason": lambda key: (key, reasons.get(key, key) or _("no reason")),
        "week": lambda key: (key, formats.date_format(date.fromisoformat(key), "j M")),
        "ticket": lambda key: (key, key),
    }


def _weeks(period: Period, known: Mapping[str, Line]) -> list[Line]:
    """Return a line for each week of the period, also for one without a grant."""
    return [
        known.get(each.isoformat(), Line(each.isoformat(), formats.date_format(each, "j M"))) for each in period.mondays
    ]


def _fence(values: Sequence[int]) -> float | None:
    """Return what lies above is far above the others: the third quartile and one and a half interquartile ranges."""
    if len(values) < FEWEST_AGENTS:
        return None
    first, _second, third = statistics.quantiles(values, n=4, method="inclusive")
    return third + FENCE * (third - first)


def _outliers(agents: Sequence[Line], number_fence: float | None, money_fence: float | None) -> list[Outlier]:
    if number_fence is None or money_fence is None:
        return []
    judged = [
        Outlier(line, line.kept > number_fence, line.kept_minor > money_fence)
        for line in agents
        if line.kept >= FEWEST_GRANTS
    ]
    return [one for one in judged if one.by_number or one.by_money]
