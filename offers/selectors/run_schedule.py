"""Schedules of runs as they are shown."""

from django.db.models import Count, F, QuerySet
from django.utils.translation import gettext as _

from loyalty.errors import NotFound
from loyalty.models import Programme
from offers.models import RunSchedule


class ScheduleNotFound(NotFound):
    """The programme has no such schedule."""

    code = "unknown_schedule"


def schedules(*, programme: Programme) -> QuerySet[RunSchedule]:
    """Return the programme's schedules with how many runs each made, the next occurrence first, those over last."""
    return (
        RunSchedule.objects.filter(programme=programme)
        .select_related(
            "template__config_offer", "targeting_version__targeting__current_version", "campaign", "created_by"
        )
        .annotate(made=Count("runs"))
        .order_by(F("next_at").asc(nulls_last=True), "-pk")
    )


def find(*, programme: Programme, schedule_id: int) -> RunSchedule:
    """Return the programme's schedule. Raises ScheduleNotFound, also for another programme's."""
    found = schedules(programme=programme).select_related("programme").filter(pk=schedule_id).first()
    if found is None:
        raise ScheduleNotFound(_("There is no such schedule here."), id=schedule_id)
    return found
