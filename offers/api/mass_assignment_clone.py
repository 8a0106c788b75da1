"""Another run like a former one over the API, as the page's "Clone" begins one."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY
from loyalty.api.idempotency import idempotent
from loyalty.models import Scope
from offers.api.mass_assignment import REFUSED, RunsView
from offers.api.mass_assignment_serializers import MassAssignmentSerializer
from offers.services import mass_assignment_clone as service


class CloneValues(serializers.Serializer[Any]):
    name = serializers.CharField(
        required=False, allow_blank=True, max_length=200, default="", help_text="Empty: the run's name, “again”."
    )


class LeftOutSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Such as `member_values.benefit.size`.")
    code = serializers.CharField()
    message = serializers.CharField()


class ClonedSerializer(MassAssignmentSerializer):
    left_out = serializers.SerializerMethodField(help_text="Values per member that hold no more, and why; else empty.")

    class Meta(MassAssignmentSerializer.Meta):
        fields = [*MassAssignmentSerializer.Meta.fields, "left_out"]

    @extend_schema_field(LeftOutSerializer(many=True))
    def get_left_out(self, _run: object) -> Any:
        return LeftOutSerializer(self.context["left_out"], many=True).data


class CloneMassAssignment(RunsView):
    scopes = {"POST": Scope.TARGETINGS}

    @extend_schema(
        operation_id="clone_mass_assignment",
        request=CloneValues,
        responses={201: ClonedSerializer, 422: REFUSED[422]},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, run_id: int) -> Response:
        """Make a draft like this run, to its audience as it is saved now; it begins when it is launched."""
        given = CloneValues(data=self.body())
        given.is_valid(raise_exception=True)
        cloned = service.clone(
            run=self.run(run_id),
            name=given.validated_data["name"],
            actor=None,
            api_client=self.client,
            now=clock.now(),
        )
        context = {"now": clock.now(), "left_out": cloned.left_out}
        return Response(ClonedSerializer(self.run(cloned.run.pk), context=context).data, status=201)
