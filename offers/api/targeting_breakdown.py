"""`targetings/breakdown`: of whom criteria mean how many, by one field (issue 4)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from offers.api.targeting import CriteriaRequest, TargetingView
from offers.selectors.targeting_breakdown import breakdown


class BreakdownRequest(CriteriaRequest):
    by = serializers.CharField(help_text="A field of the catalogue, such as `member.city` or `attribute.income`.")


class PartSerializer(serializers.Serializer[Any]):
    # Declared fields leave the class, so this hides nothing of the serializer's own.
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="The value, or the step of values, in words."
    )
    kind = serializers.ChoiceField(["value", "others", "unknown"])
    count = serializers.IntegerField()


class BreakdownSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="All members meant. With a list, the parts may exceed them.")
    by = serializers.CharField(source="field.key")
    parts = PartSerializer(many=True)


class BreakDownTargeting(TargetingView):
    @extend_schema(
        operation_id="break_down_targeting",
        request=BreakdownRequest,
        responses={200: BreakdownSerializer, 403: ProblemSchema, 422: ProblemSchema},
    )
    def post(self, request: Request) -> Response:
        """Count the members that a saved targeting or a criteria tree means, by the values of one field."""
        self.require_members("a breakdown")
        given = BreakdownRequest(data=self.body())
        given.is_valid(raise_exception=True)
        checked = self.criteria(given.validated_data)
        found = breakdown(checked, programme=self.programme, key=given.validated_data["by"], now=clock.now())
        return Response(BreakdownSerializer(found).data)
