"""A moment as people give it: a date, or a date and time, with or without an offset (D-09).

Without an offset it is meant in the programme's zone, so it stays what it was until the zone is known.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import gettext as _
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from loyalty import years

PATTERN = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII | re.IGNORECASE
)


def read(value: object) -> date:
    """Read a date, or a datetime (which is a date too), from itself or from ISO 8601 text."""
    if isinstance(value, str):
        if not PATTERN.fullmatch(value):
            raise PydanticCustomError("not_a_moment", "not a moment")
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value.upper())
        except ValueError as error:
            raise PydanticCustomError("not_a_moment", "not a moment") from error
    if not isinstance(value, date):
        raise PydanticCustomError("not_a_moment", "not a moment")
    if not years.are_kept(value):
        raise PydanticCustomError("not_a_moment", "not a moment")
    return value


Moment = Annotated[
    date,
    PlainValidator(read),
    PlainSerializer(lambda value: value.isoformat(), when_used="json"),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]


def first_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of the day in the zone, also where a clock change skips midnight.

    A skipped or doubled midnight takes the offset before the change, which is the first moment in both cases.
    """
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def after(day: date, zone: ZoneInfo) -> datetime:
    """Return the half-open end of the day: the first moment of the next one."""
    return first_of(day + timedelta(days=1), zone)


def begin(value: date, zone: ZoneInfo) -> datetime:
    """Return when a period that starts at `value` starts: a bare date means its first moment."""
    return _exact(value, zone) if isinstance(value, datetime) else first_of(value, zone)


def end(value: date, zone: ZoneInfo) -> datetime:
    """Return when a period that ends at `value` is over: a bare date is included to its end."""
    return _exact(value, zone) if isinstance(value, datetime) else after(value, zone)


def _exact(value: datetime, zone: ZoneInfo) -> datetime:
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def display(value: date, zone: ZoneInfo) -> str:
    """Write the moment for people, in the zone and the active language."""
    if not isinstance(value, datetime):
        return formats.date_format(value, "DATE_FORMAT")
    local = _exact(value, zone).astimezone(zone)
    return _("%(date)s, %(time)s") % {
        "date": formats.date_format(local.date(), "DATE_FORMAT"),
        "time": formats.time_format(local.time(), "TIME_FORMAT"),
    }
