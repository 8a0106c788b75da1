"""The one clock. A door reads it once and passes `now` down; tests pass their own (DESIGN 6).

Periods are half-open: a thing that ends at 12:00 is over at 12:00. A date without a time means the programme's
zone (D-09).
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection


def now() -> datetime:
    """Return the database's own time, aware, in UTC, so that all hosts agree."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    return row[0]


def is_open(*, starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> bool:
    """Say whether `now` lies in the half-open period; None means no bound on that side."""
    return (starts_at is None or starts_at <= now) and (ends_at is None or now < ends_at)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of the day in the zone, also where midnight is skipped by a clock change."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(ZoneInfo("UTC"))


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the half-open end of the day: the first moment of the next one."""
    return start_of_day(day + timedelta(days=1), zone)
