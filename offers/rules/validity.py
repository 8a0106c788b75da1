"""When an assigned offer may be used: a fixed period, or some days from the day it is issued."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from offers.rules import moment
from offers.rules.field import Field
from offers.rules.moment import Moment
from offers.rules.rule import Rule

MOST_DAYS = 3650


def is_backwards(starts_at: date, ends_at: date) -> bool:
    """Say whether the end is not after the start, whatever the zone is; `settle` looks again with the zone."""
    zone = ZoneInfo("UTC")
    offsets = [isinstance(one, datetime) and one.tzinfo is not None for one in (starts_at, ends_at)]
    # With one offset known and one not, a day's slack: no zone is further than that from UTC.
    slack = timedelta(days=1 if len(set(offsets)) == 2 else 0)
    return moment.end(ends_at, zone) + slack <= moment.begin(starts_at, zone)


class Validity(Rule):
    """Either `starts_at` and `ends_at` (either may be open), or `days` and `start_in_days` from the issue.

    Periods are half-open. A bare date means the programme's zone, and as an end includes that day. Days are
    counted in the zone's calendar from the day of issue: `days: 14` lasts until the end of the fourteenth day
    after it, whenever it starts; `start_in_days: 1` starts with the first moment of the day after it, none or 0
    at once.
    """

    kind: ClassVar[str] = "validity"
    label: ClassVar[str | Promise] = gettext_lazy("Validity")
    help: ClassVar[str | Promise] = gettext_lazy("Give either fixed dates or a number of days from the issue.")
    order: ClassVar[int] = 10
    schema_extra: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {
                "required": ["days"],
                "properties": {"starts_at": {"type": "null"}, "ends_at": {"type": "null"}},
            },
            {
                "properties": {"days": {"type": "null"}, "start_in_days": {"type": "null"}},
                "anyOf": [
                    {"required": ["starts_at"], "properties": {"starts_at": {"type": "string"}}},
                    {"required": ["ends_at"], "properties": {"ends_at": {"type": "string"}}},
                ],
            },
        ]
    }

    misfits: ClassVar[Mapping[tuple[str, str], str | Promise]] = {
        ("days", "two_periods"): gettext_lazy("fixed dates are given too. Give either dates or days, not both."),
        ("ends_at", "missing"): gettext_lazy("no period is given. Give an end, a start, or days from issue."),
        ("start_in_days", "ends_before_start"): gettext_lazy("it starts after it ends. Give fewer days."),
        ("ends_at", "ends_before_start"): gettext_lazy("it ends before it starts. Give a later end."),
    }

    starts_at: Annotated[
        Moment | None,
        Field(
            label=gettext_lazy("Starts"),
            type="moment",
            help=gettext_lazy("The first day, or moment. Empty: from the issue."),
        ),
    ] = None
    ends_at: Annotated[
        Moment | None,
        Field(
            label=gettext_lazy("Ends"),
            type="moment",
            help=gettext_lazy("The last day, included, or a moment. Empty: never."),
        ),
    ] = None
    days: Annotated[
        int | None,
        Ge(1),
        Le(MOST_DAYS),
        Field(
            label=gettext_lazy("Days from issue"),
            type="integer",
            unit="days",
            help=gettext_lazy("14: until the end of the fourteenth day after the day of issue."),
        ),
    ] = None
    start_in_days: Annotated[
        int | None,
        Ge(0),
        Le(MOST_DAYS),
        Field(
            label=gettext_lazy("Starts days after issue"),
            type="integer",
            unit="days",
            help=gettext_lazy("1: from the day after the day of issue. Empty: at once."),
        ),
    ] = None

    def check(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """A period is given in one of the two ways, and ends after it starts."""
        is_fixed = self.starts_at is not None or self.ends_at is not None
        is_relative = self.days is not None or self.start_in_days is not None
        if is_fixed and is_relative:
            yield "days", "two_periods", {}
        elif is_relative and self.days is None:
            yield "days", "missing", {}
        elif not is_fixed and not is_relative:
            yield "ends_at", "missing", {}
        elif self.days is not None and (self.start_in_days or 0) > self.days:
            yield "start_in_days", "ends_before_start", {}
        elif self.starts_at and self.ends_at and is_backwards(self.starts_at, self.ends_at):
            yield "ends_at", "ends_before_start", {}

    def period(self, *, issued_at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
        """Return the half-open period in UTC; no start means from the issue, no end means never."""
        if self.days is None:
            starts_at = moment.begin(self.starts_at, zone) if self.starts_at else issued_at.astimezone(UTC)
            return starts_at, moment.end(self.ends_at, zone) if self.ends_at else None
        day: date = issued_at.astimezone(zone).date()
        starts_at = issued_at.astimezone(UTC)
        if self.start_in_days:
            starts_at = moment.first_of(day + timedelta(days=self.start_in_days), zone)
        return starts_at, moment.after(day + timedelta(days=self.days), zone)

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say the period."""
        if self.days is not None:
            ends = ngettext(
                "Valid for %(days)d day after its issue", "Valid for %(days)d days after its issue", self.days
            )
            ends %= {"days": self.days}
            if not self.start_in_days:
                return ends
            starts = ngettext("starting %(days)d day after it", "starting %(days)d days after it", self.start_in_days)
            return _("%(ends)s, %(starts)s") % {"ends": ends, "starts": starts % {"days": self.start_in_days}}
        words = {
            "start": moment.display(self.starts_at, zone) if self.starts_at else "",
            "end": moment.display(self.ends_at, zone) if self.ends_at else "",
        }
        if self.starts_at and self.ends_at:
            return _("Valid from %(start)s until %(end)s") % words
        return (_("Valid from %(start)s") if self.starts_at else _("Valid until %(end)s")) % words
