"""The years of the moments that are given from outside: those that no zone and no half-open end lead out of.

Beyond the year 9999 lies nothing that Python can read, and the end of its last day lies there.
"""

from datetime import date, datetime, timedelta

FIRST, LAST = 1900, 2999


def are_kept(given: date) -> bool:
    """Say whether a date, or a date and time where it was written, lies in the years that are kept."""
    return FIRST <= given.year <= LAST


def is_kept_end(end: datetime) -> bool:
    """Say the same of a half-open end: that of the last day lies in the year after it."""
    return end.year >= FIRST and are_kept(end - timedelta(days=1))
