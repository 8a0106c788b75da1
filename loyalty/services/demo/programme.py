"""The demo's programme. Its shift is fixed at first load: later loads put the same receipts on the same days."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from loyalty.models import Programme
from loyalty.services.demo import source
from loyalty.services.demo.state import SLUG


@dataclass(frozen=True)
class Dates:
    """Moves the data's moments to where the demo stands."""

    weeks: int

    def moved(self, moment: datetime) -> datetime:
        return source.shifted(moment, self.weeks)

    @property
    def last_day(self) -> date:
        return source.shifted(source.LAST_DAY, self.weeks).astimezone(source.ZONE).date()


def ensure(*, now: datetime) -> Programme:
    """Return the demo's programme, made with its shift where there is none yet."""
    with transaction.atomic():
        programme, _ = Programme.objects.get_or_create(
            slug=SLUG,
            defaults={
                "name": "Laurel Market",
                "currency": "USD",
                "timezone": source.ZONE.key,
                "languages": ["en"],
                "demo_shift_weeks": source.shift_weeks(now),
            },
        )
        if programme.demo_shift_weeks is None:
            programme.demo_shift_weeks = source.shift_weeks(now)
            programme.save(update_fields=["demo_shift_weeks", "updated_at"])
    return programme
