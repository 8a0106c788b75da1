"""When a run begins: now, at a moment, or again and again; days and times are those of the programme's zone (D-09)."""

from datetime import date, datetime, time
from typing import Any

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import Programme
from offers.forms.day import DayField
from offers.models import RunSchedule
from offers.services import run_period, run_schedule
from offers.services.run_schedule import When

WHEN = (
    ("", gettext_lazy("Now")),
    ("later", gettext_lazy("Once, later")),
    ("daily", gettext_lazy("Every day")),
    ("weekly", gettext_lazy("Every week")),
    ("monthly", gettext_lazy("Every month")),
)
FIELDS = ("when", "first_day", "at", "last_day")


class MomentForm(forms.Form):
    """The part of a run's options that says when; after `is_valid()`: `launch_at`, or `recurring`, or neither."""

    when = forms.ChoiceField(label=gettext_lazy("When"), choices=WHEN, required=False)
    first_day = DayField(label=gettext_lazy("On, or from"), required=False)
    at = forms.TimeField(
        label=gettext_lazy("At"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    last_day = DayField(
        label=gettext_lazy("Until"),
        required=False,
        help_text=gettext_lazy("The last day, for runs that come again. Empty: until somebody ends them."),
    )

    def __init__(self, data: Any = None, *, programme: Programme, **options: Any) -> None:
        super().__init__(data, **options)
        self.programme = programme
        self.launch_at: datetime | None = None
        self.recurring: When | None = None
        self.fields["at"].help_text = _("The time of %(zone)s.") % {"zone": programme.timezone}

    def clean(self) -> dict[str, Any]:
        """Put day, time and zone together; what is over, or the wrong way round, is named beside its field."""
        given = super().clean() or self.cleaned_data
        when = given.get("when") or ""
        if not when or self.errors:
            return given
        first, at, last = given.get("first_day"), given.get("at"), given.get("last_day")
        if first is None:
            self.add_error("first_day", _("Give the day."))
        if at is None:
            self.add_error("at", _("Give the time."))
        if first is not None and at is not None:
            self._settle(when, first, at, last)
        return given

    def _settle(self, when: str, first: date, at: time, last: date | None) -> None:
        now, zone = clock.now(), self.programme.zone
        try:
            if when == "later":
                moment = datetime.combine(first, at, tzinfo=zone)
                run_schedule.check_moment(launch_at=moment, now=now)
                self.launch_at = moment
            else:
                recurring = When(when, at, first, last)
                run_schedule.first_of(when=recurring, zone=zone, now=now)
                self.recurring = recurring
        except InvalidInput as refusal:
            for found in refusal.problems:
                self.add_error("last_day" if found["field"] == "ends_on" else "first_day", found["message"])

    def begins_at(self, now: datetime) -> datetime:
        """Return when the run, or the first one of those that come again, begins."""
        if self.recurring:
            return next(run_schedule.occurrences(self.recurring, zone=self.programme.zone, after=now), now)
        return self.launch_at or now

    @property
    def last_at(self) -> datetime | None:
        """Return when the last of runs that come again begins at the latest; None for one run."""
        if self.recurring is None:
            return None
        if self.recurring.ends_on is None:
            return run_period.WITHOUT_END
        return datetime.combine(self.recurring.ends_on, self.recurring.time, tzinfo=self.programme.zone)

    @property
    def words(self) -> str:
        """Say when, for the folded step: nothing for now."""
        if self.launch_at:
            return f"{self._said(self.launch_at.date())} {self.launch_at:%H:%M} {self.programme.timezone}"
        if self.recurring:
            how = dict(RunSchedule.Frequency.choices)[self.recurring.frequency]
            sentence = _("%(how)s at %(time)s (%(zone)s), from %(first)s, without end")
            if self.recurring.ends_on:
                sentence = _("%(how)s at %(time)s (%(zone)s), from %(first)s until %(last)s")
            return sentence % {
                "how": how,
                "time": f"{self.recurring.time:%H:%M}",
                "zone": self.programme.timezone,
                "first": self._said(self.recurring.starts_on),
                "last": self._said(self.recurring.ends_on) if self.recurring.ends_on else "",
            }
        return ""

    def _said(self, day: date) -> str:
        """Write a day as the pages do: with its year where that is not this one."""
        this_year = clock.now().astimezone(self.programme.zone).year
        return date_format(day, "j M" if day.year == this_year else "j M Y")
