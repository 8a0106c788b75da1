"""Periods of whole days in the programme's zone, as supervision asks for them (D-09)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme
from offers.models.limit import day_of

WEEK, LAST_WEEK, RECENT, OWN = "week", "last_week", "28_days", "own"
LABELS = {
    WEEK: _("This week"),
    LAST_WEEK: _("Last week"),
    RECENT: _("Last 28 days"),
    OWN: _("Own dates"),
}
RECENT_DAYS = 28
# Two years are enough to compare with the year before, and few enough weeks for a chart.
MOST_DAYS = 2 * 366


@dataclass(frozen=True)
class Period:
    """From a first to a last day, both included. Weeks begin on Monday."""

    name: str
    first: date
    last: date

    @property
    def query(self) -> str:
        """Return the period as the ledger's list has it in its address."""
        return urlencode({"since": self.first.isoformat(), "until": self.last.isoformat()})

    @property
    def mondays(self) -> list[date]:
        """Return the Monday of each week that has a day in the period."""
        first = monday(self.first)
        return [first + timedelta(weeks=number) for number in range((self.last - first).days // 7 + 1)]


def monday(day: date) -> date:
    """Return the Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def named(*, programme: Programme, name: str, now: datetime) -> Period:
    """Return this week, last week or the last 28 days, today included."""
    today = day_of(now, programme.zone)
    begin = monday(today)
    if name == WEEK:
        return Period(name, begin, begin + timedelta(days=6))
    if name == LAST_WEEK:
        return Period(name, begin - timedelta(days=7), begin - timedelta(days=1))
    return Period(RECENT, today - timedelta(days=RECENT_DAYS - 1), today)
