"""`mass-assignments`: made, launched, watched and stopped by machines, as marketers do on their pages (S4-24..28)."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock, whole_number
from loyalty.api.documentation import IDEMPOTENCY, refusal
from loyalty.api.fields import ObjectField
from loyalty.api.idempotency import idempotent, verb
from loyalty.api.pagination import NewestFirstCursor
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.mass_assignment_serializers import (
    DryRunSerializer,
    MassAssignmentSerializer,
)
from offers.api.view import OffersView
from offers.models import Campaign, MassAssignment, OfferTemplate, TargetingVersion
from offers.selectors import mass_assignment as selectors
from offers.selectors import targeting as targetings
from offers.services import audience, run_period, run_schedule, run_targeting
from offers.services import mass_assignment as service
from offers.tasks import mass_assignment as tasks

REFUSED = {
    409: refusal("`mass_assignment_state`: the run is not in a state in which this can be done."),
    422: refusal("Something given is not acceptable; every problem is named."),
}


class RunValues(serializers.Serializer[Any]):
    """What a run is made of. The offer is named by its reference, or one of its templates by external id or id."""

    config_offer = serializers.CharField(required=False, help_text="The offer's reference: its default template.")
    template = serializers.CharField(required=False, help_text="The template's external id, or its id.")
    targeting = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, help_text="The id of a saved targeting; its current version is kept."
    )
    name = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    campaign = serializers.CharField(required=False, allow_null=True, default=None, help_text="Its external id.")
    terms = ObjectField(required=False, default=dict, help_text="Rule values, keyed by rule (S0-07, S0-08).")
    member_values = ObjectField(
        required=False,
        default=dict,
        help_text=(
            "Rules of which a field differs per member, keyed by rule as in `terms`. Such a field is an object: "
            "`attribute`, `expression` (numbers, attributes, + - * /, min, max, round), or `list` (a member list's id) "
            "with its `column`; for numbers `minimum` and `maximum`, and perhaps a `default`, all as people write "
            "them: percents, an amount in the currency, days."
        ),
    )
    hold_out_percent = serializers.DecimalField(
        required=False,
        default=Decimal(0),
        min_value=Decimal(0),
        max_value=Decimal("99.99"),
        max_digits=4,
        decimal_places=2,
        help_text="Of those who would get it, who get nothing, to compare with; the same in each run of a campaign.",
    )
    rank = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=-32_768, max_value=32_767)
    on_shortfall = serializers.ChoiceField(
        MassAssignment.OnShortfall.choices,
        required=False,
        default=MassAssignment.OnShortfall.FAIL,
        help_text="With too few codes, or too little left of limits: assign nobody, cut to the first ones, or wait.",
    )
    wait_days = serializers.IntegerField(required=False, default=7, min_value=1, max_value=service.LONGEST_WAIT_DAYS)


class MassAssignmentValues(RunValues):
    """What a run is made of, and when it begins."""

    launch_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Launched, it begins at this moment, with the audience of then. Null: at once.",
    )


class RunsView(OffersView):
    """What the views of mass assignments share."""

    values_serializer: type[serializers.Serializer[Any]] = MassAssignmentValues

    def run(self, run_id: int) -> MassAssignment:
        return selectors.find(programme=self.programme, run_id=run_id)

    def answer(self, run: MassAssignment, status: int = 200) -> Response:
        fresh = self.run(run.pk)
        return Response(MassAssignmentSerializer(fresh, context={"now": clock.now()}).data, status=status)

    def values(self) -> dict[str, Any]:
        """Return what `create` and `dry_run` take, looked up; raises InvalidInput with every problem."""
        given = self.values_serializer(data=self.body())
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        problems: list[dict[str, str]] = []
        template = _looked_up(problems, "template", lambda: self._template(values))
        version = _looked_up(problems, "targeting", lambda: self._version(values["targeting"]))
        campaign = _looked_up(problems, "campaign", lambda: self._campaign(values["campaign"]))
        if values.get("launch_at"):
            _looked_up(
                problems,
                "launch_at",
                lambda: run_schedule.check_moment(launch_at=values["launch_at"], now=clock.now()),
            )
        if problems:
            raise InvalidInput(" ".join(problem["message"] for problem in problems), problems=problems)
        return values | {"template": template, "version": version, "campaign": campaign}

    def _template(self, values: dict[str, Any]) -> OfferTemplate:
        found = OfferTemplate.objects.filter(programme=self.programme)
        if "template" in values:
            key = values["template"]
            template = found.filter(external_id=key).first()
            if template is None and (number := whole_number.read(key)) is not None:
                template = found.filter(pk=number).first()
            message = f"There is no template “{key}”. Give its external id, or its id."
        elif "config_offer" not in values:
            raise InvalidInput("Give `config_offer`, or `template`.", code="missing_offer")
        else:
            reference = values["config_offer"]
            template = found.filter(config_offer__offer_reference=reference, is_default=True).first()
            message = f"There is no published offer “{reference}”. Give another one, or a `template`."
        if template is None:
            raise InvalidInput(message, code="unknown_template")
        return template

    def _version(self, targeting_id: int) -> TargetingVersion:
        return targetings.saved_version(programme=self.programme, targeting_id=targeting_id)

    def _campaign(self, external_id: str | None) -> Campaign | None:
        if external_id is None:
            return None
        found = Campaign.objects.filter(programme=self.programme, external_id=external_id, is_of_run=False).first()
        if found is None:
            raise InvalidInput(f"There is no campaign “{external_id}”.", code="unknown_campaign")
        return found


class MassAssignments(RunsView):
    scopes = {"GET": Scope.TARGETINGS, "POST": Scope.TARGETINGS}

    @extend_schema(
        operation_id="list_mass_assignments",
        responses=MassAssignmentSerializer(many=True),
        parameters=[
            OpenApiParameter("state", str, enum=[state.value for state in MassAssignment.State]),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the mass assignments, the newest first."""
        found = selectors.runs(programme=self.programme)
        if state := request.query_params.get("state"):
            found = found.filter(state=state)
        pages = NewestFirstCursor()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(MassAssignmentSerializer(page, many=True).data)

    @extend_schema(
        operation_id="create_mass_assignment",
        request=MassAssignmentValues,
        responses={201: MassAssignmentSerializer, **REFUSED},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a draft. Nothing is assigned before it is launched."""
        values = self.values()
        run = service.create(
            programme=self.programme,
            template=values["template"],
            targeting_version=values["version"],
            name=values["name"],
            campaign=values["campaign"],
            terms=values["terms"],
            member_values=values["member_values"],
            rank=values["rank"],
            hold_out_percent=values["hold_out_percent"],
            plan=service.LaunchPlan(values["on_shortfall"], values["wait_days"], values["launch_at"]),
            actor=None,
            now=clock.now(),
        )
        return self.answer(run, status=201)


class DryRunMassAssignment(RunsView):
    scopes = {"POST": Scope.TARGETINGS}

    @extend_schema(
        operation_id="dry_run_mass_assignment",
        request=MassAssignmentValues,
        responses={200: DryRunSerializer, 422: REFUSED[422]},
    )
    def post(self, request: Request) -> Response:
        """Count what a launch would do now: matched, left out by reason, codes needed and left. Writes nothing."""
        values = self.values()
        found = audience.dry_run(
            programme=self.programme,
            template=values["template"],
            criteria=values["version"].criteria,
            terms=values["terms"],
            member_values=values["member_values"],
            campaign=values["campaign"],
            now=clock.now(),
            # Without a campaign the run will draw by its own number: about as many.
            held_out=audience.hold_out(
                percent=values["hold_out_percent"], campaign=values["campaign"], reference="to be made"
            ),
        )
        odd = run_period.warnings(
            template=values["template"],
            terms=values["terms"],
            member_values=values["member_values"],
            begins_at=values["launch_at"] or clock.now(),
            spreads=found.spreads,
        )
        launch = {
            "programme": self.programme,
            "differs": bool(values["member_values"]),
            "is_cut": values["on_shortfall"] == MassAssignment.OnShortfall.CUT,
        }
        return Response(DryRunSerializer(replace(found, warnings=odd), context={"launch": launch}).data)


class OneMassAssignment(RunsView):
    scopes = {"GET": Scope.TARGETINGS}

    @extend_schema(operation_id="get_mass_assignment", responses=MassAssignmentSerializer)
    def get(self, request: Request, run_id: int) -> Response:
        """Return one mass assignment with its progress."""
        return self.answer(self.run(run_id))


ANSWERS = {200: MassAssignmentSerializer, **REFUSED}


class ActOnMassAssignment(RunsView):
    """One verb on one run; the subclasses name it."""

    scopes = {"POST": Scope.TARGETINGS}
    do: Callable[..., MassAssignment]
    is_rung = False

    def act(self, run_id: int) -> Response:
        run = self.run(run_id)
        type(self).do(run=run, actor=None, api_client=self.client, now=clock.now())
        if self.is_rung:
            transaction.on_commit(lambda: tasks.ring(run.pk))
        return self.answer(run)


class LaunchMassAssignment(ActOnMassAssignment):
    do = service.launch
    is_rung = True

    @verb("launch_mass_assignment", ANSWERS)
    def post(self, request: Request, run_id: int) -> Response:
        """Launch a draft, or a failed run after its cause is mended. With too few codes nobody is assigned (S4-28)."""
        return self.act(run_id)


class PauseMassAssignment(ActOnMassAssignment):
    do = service.pause

    @verb("pause_mass_assignment", ANSWERS)
    def post(self, request: Request, run_id: int) -> Response:
        """Let chunks in flight end and take no more."""
        return self.act(run_id)


class ResumeMassAssignment(ActOnMassAssignment):
    do = service.resume
    is_rung = True

    @verb("resume_mass_assignment", ANSWERS)
    def post(self, request: Request, run_id: int) -> Response:
        """Go on with a paused run."""
        return self.act(run_id)


class TakeAudienceOfMassAssignment(ActOnMassAssignment):
    do = run_targeting.take_current

    @verb("take_audience_of_mass_assignment", ANSWERS)
    def post(self, request: Request, run_id: int) -> Response:
        """Have a draft, or a run for later, reach the targeting as it is saved now, not as it was made with (B-03)."""
        return self.act(run_id)


class RetryMassAssignment(ActOnMassAssignment):
    do = service.retry
    is_rung = True

    @verb("retry_mass_assignment", ANSWERS)
    def post(self, request: Request, run_id: int) -> Response:
        """Do the chunks again that were given up, of a run that finished with errors."""
        return self.act(run_id)


class CancelMassAssignment(ActOnMassAssignment):
    do = service.cancel
    # A large run's codes are given back by the workers.
    is_rung = True

    @verb("cancel_mass_assignment", ANSWERS)
    def post(self, request: Request, run_id: int) -> Response:
        """Stop for good: what was assigned stays, reserved codes that nobody got go back."""
        return self.act(run_id)


def _looked_up(problems: list[dict[str, str]], field: str, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except (InvalidInput, targetings.TargetingNotFound) as error:
        problems.append({"field": field, "code": error.code, "message": error.message})
        return None
