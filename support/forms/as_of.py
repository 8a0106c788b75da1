"""The moment of the past that a page is asked for, as it stands in an address."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from pydantic_core import PydanticCustomError

from loyalty.errors import InvalidInput
from offers.rules import moment

TINY = timedelta(microseconds=1)


def read(text: str, *, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the moment that was asked for: in the programme's zone, a day means its end. Raises InvalidInput."""
    try:
        given = moment.read(text.strip())
    except PydanticCustomError as error:
        raise _refused("not_a_moment", _("Give a day or a moment, such as 2026-11-03 or 2026-11-03T10:00.")) from error
    at = moment.end(given, zone)
    if not isinstance(given, datetime):
        # The day's last moment; of today, what there is of it.
        at = min(at - TINY, now) if given <= _today(now, zone) else at
    if at > now:
        raise _refused("in_the_future", _("That moment is still to come. Give one that has passed."))
    return at


def _refused(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[{"field": "as_of", "code": code, "message": message}])


def _today(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date()
