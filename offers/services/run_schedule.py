"""Runs later and again: at a moment, or every day, week or month in the programme's zone (D-09).

The sweeper makes each occurrence's run once: the schedule's row is locked, and (schedule, occurrence) is unique. Of
occurrences that were missed while nothing swept, the last one is made up for; the others are counted and shown.
"""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from loyalty.database import execute, in_transaction
from loyalty.errors import Conflict, DomainError, InvalidInput
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit
from offers.models import Campaign, MassAssignment, OfferTemplate, RunSchedule, TargetingVersion
from offers.services import audience, mass_assignment, member_value, module, targeting
from offers.services.mass_assignment import LaunchPlan
from offers.services.problem import problem

log = structlog.get_logger(__name__)
State = MassAssignment.State
Frequency = RunSchedule.Frequency
FURTHEST = timedelta(days=731)


class ScheduleOver(Conflict):
    """The schedule ended, or the run has begun: there is nothing to change."""

    code = "schedule_over"


@dataclass(frozen=True)
class When:
    """How often, at what time of the programme's zone, from which day until which one (included)."""

    frequency: str
    time: time
    starts_on: date
    ends_on: date | None = None


def check_moment(*, launch_at: datetime, now: datetime) -> None:
    """Raise InvalidInput for a moment that is over, or too far away to be meant."""
    if launch_at <= now:
        _refuse("launch_at", "in_the_past", _("The moment to launch at is over. Give a later one."))
    if launch_at > now + FURTHEST:
        _refuse("launch_at", "too_far", _("The moment to launch at is more than two years away."))


def first_of(*, when: When, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the first occurrence to come, in UTC.

    Raises InvalidInput for days the wrong way round, a first day too far away to be meant, and a period without any.
    """
    if when.ends_on is not None and when.ends_on < when.starts_on:
        _refuse("ends_on", "ends_before_it_begins", _("It ends before it begins. Give a later day."))
    if when.starts_on > (now + FURTHEST).astimezone(zone).date():
        _refuse("starts_on", "too_far", _("The first day is more than two years away."))
    first = next(occurrences(when, zone=zone, after=now), None)
    if first is None:
        _refuse("ends_on", "no_occurrence", _("There is no occurrence in that period any more. Give a later end."))
    return first


def _refuse(field: str, code: str, message: str) -> NoReturn:
    raise InvalidInput(message, code=code, problems=[problem(field, code, message)])


def occurrences(when: When, *, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the occurrences after a moment, in UTC, in their order.

    A time that a clock change skips is meant as that long after the hour before; one that comes twice, the first.
    """
    day = max(when.starts_on, after.astimezone(zone).date() - timedelta(days=1))
    while when.ends_on is None or day <= when.ends_on:
        if _is_day(when, day):
            found = datetime.combine(day, when.time, tzinfo=zone).astimezone(UTC)
            if found > after:
                yield found
        day += timedelta(days=1)


def _is_day(when: When, day: date) -> bool:
    if when.frequency == Frequency.WEEKLY:
        return day.weekday() == when.starts_on.weekday()
    if when.frequency == Frequency.MONTHLY:
        last = calendar.monthrange(day.year, day.month)[1]
        return day.day == min(when.starts_on.day, last)
    return True


def of(schedule: RunSchedule) -> When:
    """Return when a schedule has its occurrences."""
    return When(schedule.frequency, schedule.time, schedule.starts_on, schedule.ends_on)


def create(
    *,
    programme: Programme,
    reference: UUID,
    template: OfferTemplate,
    targeting_version: TargetingVersion,
    name: str,
    campaign: Campaign | None,
    terms: Mapping[str, Any],
    member_values: Mapping[str, Any],
    rank: int | None,
    hold_out_percent: Decimal,
    plan: LaunchPlan,
    when: When,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> RunSchedule:
    """Make a schedule, once for each reference, and return it. Raises InvalidInput for what a run could not be made of,
    and for a period that ends before it begins, is too far away, or has no occurrence to come; targeting.Archived."""
    module.require(programme=programme)
    first = first_of(when=when, zone=programme.zone, now=now)
    today = first.astimezone(programme.zone).date()
    values = member_value.read(programme=programme, given=member_values, terms=terms, today=today)
    audience.prepare(programme=programme, template_id=template.pk, given=terms, now=first, values=values)

    def work() -> RunSchedule:
        execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"run_schedule:{reference}"])
        targeting.hold(version=targeting_version)
        made, is_new = RunSchedule.objects.get_or_create(
            programme=programme,
            reference=reference,
            defaults={
                "name": (name.strip() or f"{template.config_offer.name} → {targeting_version.targeting.name}")[:200],
                "template": template,
                "targeting_version": targeting_version,
                "campaign": campaign,
                "terms": dict(terms),
                "member_values": values.data(),
                "rank": rank,
                "hold_out_percent": hold_out_percent,
                "on_shortfall": plan.on_shortfall,
                "wait_days": plan.wait_days,
                "frequency": when.frequency,
                "time": when.time,
                "starts_on": when.starts_on,
                "ends_on": when.ends_on,
                "next_at": first,
                "created_by": actor,
                "created_client": api_client,
            },
        )
        if is_new:
            audit.record(
                action="run_schedule.created", actor=actor, api_client=api_client, programme=programme, target=made
            )
        return made

    return in_transaction(work)


def make_due(*, now: datetime) -> list[int]:
    """Make and launch the run of each schedule whose occurrence has come; return these runs, to be rung for."""
    made = []
    due = RunSchedule.objects.filter(next_at__lte=now, paused_at__isnull=True, ended_at__isnull=True)
    for pk in list(due.order_by("next_at", "pk").values_list("pk", flat=True)):
        try:
            run_id = _make(pk, now)
        except Exception:
            # Whatever ails this one: the others' occurrences have come too, and it is tried again at the next sweep.
            log.exception("run_schedule.broken", schedule=pk)
            continue
        if run_id:
            made.append(run_id)
    return made


def _make(schedule_id: int, now: datetime) -> int | None:
    with transaction.atomic():
        schedule = (
            RunSchedule.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related(
                "programme", "template__config_offer", "targeting_version__targeting", "campaign", "created_client"
            )
            .filter(pk=schedule_id, next_at__lte=now, paused_at__isnull=True, ended_at__isnull=True)
            .first()
        )
        if schedule is None or schedule.next_at is None:
            return None
        occurrence, missed = schedule.next_at, 0
        for following in occurrences(of(schedule), zone=schedule.programme.zone, after=schedule.next_at):
            if following > now:
                break
            occurrence, missed = following, missed + 1
        _advance(schedule, now, missed)
        run_id, failure = None, None
        try:
            with transaction.atomic():
                run_id = _run(schedule, occurrence, now).pk
        except DomainError as error:
            failure = {"code": error.code, "message": error.message, "at": now.isoformat()}
            log.warning("run_schedule.failed", schedule=schedule_id, code=error.code)
        RunSchedule.objects.filter(pk=schedule_id).update(failure=failure, updated_at=now)
        return run_id


def _run(schedule: RunSchedule, occurrence: datetime, now: datetime) -> MassAssignment:
    day = occurrence.astimezone(schedule.programme.zone).date()
    run = mass_assignment.create(
        programme=schedule.programme,
        template=schedule.template,
        targeting_version=schedule.targeting_version,
        name=f"{schedule.name[:185]}, {day.isoformat()}",
        campaign=schedule.campaign,
        terms=schedule.terms,
        member_values=schedule.member_values,
        rank=schedule.rank,
        hold_out_percent=schedule.hold_out_percent,
        plan=LaunchPlan(schedule.on_shortfall, schedule.wait_days),
        actor=schedule.created_by,
        now=now,
    )
    MassAssignment.objects.filter(pk=run.pk).update(schedule=schedule, occurrence_at=occurrence)
    run.refresh_from_db()
    # Whose it is, person or key, does not approve it.
    return mass_assignment.launch(run=run, actor=schedule.created_by, api_client=schedule.created_client, now=now)


def _advance(schedule: RunSchedule, now: datetime, missed: int) -> None:
    following = next(occurrences(of(schedule), zone=schedule.programme.zone, after=now), None)
    RunSchedule.objects.filter(pk=schedule.pk).update(
        next_at=following, missed=F("missed") + missed, ended_at=None if following else now, updated_at=now
    )


def pause(
    *, schedule: RunSchedule, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> RunSchedule:
    """Make no more runs until `resume`; what would have been made meanwhile is not made up for."""
    return _move(schedule, "run_schedule.paused", actor, api_client, now, paused_at=now)


def resume(
    *, schedule: RunSchedule, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> RunSchedule:
    """Go on with the next occurrence from now on."""
    following = next(occurrences(of(schedule), zone=schedule.programme.zone, after=now), None)
    return _move(
        schedule, "run_schedule.resumed", actor, api_client, now,
        paused_at=None, next_at=following, ended_at=None if following else now,
    )  # fmt: skip


def end(
    *, schedule: RunSchedule, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> RunSchedule:
    """Make no more runs; those that were made stay."""
    return _move(schedule, "run_schedule.ended", actor, api_client, now, ended_at=now, next_at=None)


def _move(
    schedule: RunSchedule, action: str, actor: User | None, api_client: ApiClient | None, now: datetime, **values: Any
) -> RunSchedule:
    with transaction.atomic():
        moved = RunSchedule.objects.filter(pk=schedule.pk, ended_at__isnull=True).update(**values, updated_at=now)
        schedule.refresh_from_db()
        if not moved:
            raise ScheduleOver(_("“%(name)s” is over already.") % {"name": schedule.name})
        audit.record(action=action, actor=actor, api_client=api_client, programme=schedule.programme, target=schedule)
    return schedule


def reschedule(
    *,
    run: MassAssignment,
    launch_at: datetime,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> MassAssignment:
    """Give a run that has not begun another moment. Raises InvalidInput, and ScheduleOver once it was planned."""
    check_moment(launch_at=launch_at, now=now)
    with transaction.atomic():
        moved = MassAssignment.objects.filter(
            pk=run.pk, state__in=[State.SCHEDULED, State.AWAITING_APPROVAL], leased_until__isnull=True
        ).update(launch_at=launch_at, updated_at=now)
        run.refresh_from_db()
        if not moved:
            raise ScheduleOver(_("“%(run)s” has begun already.") % {"run": run.name})
        audit.record(
            action="mass_assignment.rescheduled",
            actor=actor,
            api_client=api_client,
            programme=run.programme,
            target=run,
            data={"launch_at": launch_at.isoformat()},
        )
    return run
