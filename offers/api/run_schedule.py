"""`run-schedules`: runs that come again, made, looked at, paused, resumed and ended by machines (issue 4)."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY, refusal
from loyalty.api.idempotency import idempotent, verb
from loyalty.api.pagination import NewestFirstCursor
from loyalty.models import Scope
from offers.api.mass_assignment import RunsView, RunValues
from offers.api.mass_assignment_serializers import MassAssignmentSerializer
from offers.models import RunSchedule
from offers.selectors import run_schedule as selectors
from offers.services import mass_assignment, run_schedule, run_targeting
from offers.services.run_schedule import When

REFUSED = {
    409: refusal("`schedule_over`: it has ended; nothing changes it any more."),
    422: refusal("Something given is not acceptable; every problem is named."),
}


class RunScheduleValues(RunValues):
    """What each run is made of, as for a mass assignment, and when. Days and times are of the programme's zone."""

    frequency = serializers.ChoiceField(RunSchedule.Frequency.choices)
    time = serializers.TimeField(help_text="Such as 09:00.")
    starts_on = serializers.DateField(
        help_text="The first day: of the week and of the month, too. A shorter month has it on its last day."
    )
    ends_on = serializers.DateField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The last day; without one it goes on until it is ended.",
    )


class RunScheduleSerializer(serializers.ModelSerializer[RunSchedule]):
    config_offer = serializers.CharField(source="template.config_offer.offer_reference")
    targeting = serializers.IntegerField(source="targeting_version.targeting_id")
    targeting_version = serializers.IntegerField(
        source="targeting_version.number", help_text="Which its runs keep, whatever is saved since."
    )
    targeting_current_version = serializers.IntegerField(source="targeting_version.targeting.current_version.number")
    campaign = serializers.CharField(source="campaign.external_id", allow_null=True, default=None)
    hold_out_percent = serializers.FloatField()
    time = serializers.TimeField(format="%H:%M")
    next_at = serializers.DateTimeField(allow_null=True, help_text="Its next occurrence; null once it is over.")
    runs = serializers.IntegerField(source="made", help_text="How many it made.")
    missed = serializers.IntegerField(help_text="Occurrences that nobody was there for; the last one is made up for.")
    failure = serializers.JSONField(
        allow_null=True, help_text="Why the last occurrence made no run: code, message, at."
    )

    class Meta:
        model = RunSchedule
        fields = [
            "id", "name", "config_offer", "template", "targeting", "targeting_version", "targeting_current_version",
            "campaign", "terms", "member_values", "hold_out_percent", "rank", "on_shortfall", "wait_days",
            "frequency", "time", "starts_on", "ends_on", "next_at", "runs", "missed", "failure", "paused_at",
            "ended_at", "created_at",
        ]  # fmt: skip


class SchedulesView(RunsView):
    """What the views of schedules share."""

    def schedule(self, schedule_id: int) -> RunSchedule:
        return selectors.find(programme=self.programme, schedule_id=schedule_id)

    def shown(self, schedule: RunSchedule, status: int = 200) -> Response:
        return Response(RunScheduleSerializer(self.schedule(schedule.pk)).data, status=status)


class RunSchedules(SchedulesView):
    scopes = {"GET": Scope.TARGETINGS, "POST": Scope.TARGETINGS}
    values_serializer = RunScheduleValues

    @extend_schema(
        operation_id="list_run_schedules",
        responses=RunScheduleSerializer(many=True),
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        """List the schedules, the newest first."""
        pages = NewestFirstCursor()
        page = pages.paginate_queryset(selectors.schedules(programme=self.programme), request, view=self)
        return pages.get_paginated_response(RunScheduleSerializer(page, many=True).data)

    @extend_schema(
        operation_id="create_run_schedule",
        request=RunScheduleValues,
        responses={201: RunScheduleSerializer, 422: REFUSED[422]},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a schedule. Each occurrence is a run of its own, launched with the members of then."""
        values = self.values()
        made = run_schedule.create(
            programme=self.programme,
            reference=uuid4(),
            template=values["template"],
            targeting_version=values["version"],
            name=values["name"],
            campaign=values["campaign"],
            terms=values["terms"],
            member_values=values["member_values"],
            rank=values["rank"],
            hold_out_percent=values["hold_out_percent"],
            plan=mass_assignment.LaunchPlan(values["on_shortfall"], values["wait_days"]),
            when=When(values["frequency"], values["time"], values["starts_on"], values["ends_on"]),
            actor=None,
            api_client=self.client,
            now=clock.now(),
        )
        return self.shown(made, status=201)


class OneRunSchedule(SchedulesView):
    scopes = {"GET": Scope.TARGETINGS}

    @extend_schema(operation_id="get_run_schedule", responses=RunScheduleSerializer)
    def get(self, request: Request, schedule_id: int) -> Response:
        """Return one schedule with its next occurrence."""
        return self.shown(self.schedule(schedule_id))


ANSWERS = {200: RunScheduleSerializer, 409: REFUSED[409]}


class ActOnRunSchedule(SchedulesView):
    """One verb on one schedule; the subclasses name it."""

    scopes = {"POST": Scope.TARGETINGS}
    do: Callable[..., RunSchedule]

    def act(self, schedule_id: int) -> Response:
        found = self.schedule(schedule_id)
        type(self).do(schedule=found, actor=None, api_client=self.client, now=clock.now())
        return self.shown(found)


class PauseRunSchedule(ActOnRunSchedule):
    do = run_schedule.pause

    @verb("pause_run_schedule", ANSWERS)
    def post(self, request: Request, schedule_id: int) -> Response:
        """Make no more runs until it is resumed; what would have been made meanwhile is not made up for."""
        return self.act(schedule_id)


class ResumeRunSchedule(ActOnRunSchedule):
    do = run_schedule.resume

    @verb("resume_run_schedule", ANSWERS)
    def post(self, request: Request, schedule_id: int) -> Response:
        """Go on with the next occurrence from now on."""
        return self.act(schedule_id)


class TakeAudienceOfRunSchedule(ActOnRunSchedule):
    do = run_targeting.take_current_again

    @verb("take_audience_of_run_schedule", ANSWERS)
    def post(self, request: Request, schedule_id: int) -> Response:
        """Have its next runs reach the targeting as it is saved now, instead of the version it was made with (B-03)."""
        return self.act(schedule_id)


class EndRunSchedule(ActOnRunSchedule):
    do = run_schedule.end

    @verb("end_run_schedule", ANSWERS)
    def post(self, request: Request, schedule_id: int) -> Response:
        """Make no more runs, for good; those that were made stay."""
        return self.act(schedule_id)


class Moment(serializers.Serializer[Any]):
    launch_at = serializers.DateTimeField(help_text="Aware, in the future, at most two years away.")


class RescheduleMassAssignment(RunsView):
    scopes = {"POST": Scope.TARGETINGS}

    @extend_schema(
        operation_id="reschedule_mass_assignment",
        request=Moment,
        responses={
            200: MassAssignmentSerializer,
            409: refusal("`schedule_over`: the run is not launched, or has begun already."),
            422: REFUSED[422],
        },
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, run_id: int) -> Response:
        """Give a launched run that has not begun another moment to begin at."""
        given = Moment(data=self.body())
        given.is_valid(raise_exception=True)
        run = self.run(run_id)
        run_schedule.reschedule(
            run=run,
            launch_at=given.validated_data["launch_at"],
            actor=None,
            api_client=self.client,
            now=clock.now(),
        )
        return self.answer(run)
