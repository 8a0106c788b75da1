"""`targetings/count`: how many members criteria mean, before anything is launched (S4-26)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers import targeting as criteria_trees
from offers.api.view import OffersView
from offers.selectors import targeting as selectors


class CountRequest(serializers.Serializer[Any]):
    """A saved targeting's id, or a criteria tree; one of the two."""

    targeting = serializers.IntegerField(required=False)
    criteria = serializers.JSONField(required=False)
    is_estimate = serializers.BooleanField(required=False, default=False, help_text="About, at once, from a sample.")


class CountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    is_exact = serializers.BooleanField()
    sentence = serializers.CharField(help_text="The criteria in words.")


class CountTargeting(OffersView):
    scopes = {"POST": Scope.TARGETINGS}

    @extend_schema(operation_id="count_targeting", request=CountRequest, responses=CountSerializer)
    def post(self, request: Request) -> Response:
        """Count the members that a saved targeting or a criteria tree means; writes nothing."""
        given = CountRequest(data=self.body())
        given.is_valid(raise_exception=True)
        values = given.validated_data
        if ("targeting" in values) == ("criteria" in values):
            raise InvalidInput("Give `targeting` or `criteria`, one of the two.")
        if "targeting" in values:
            tree = selectors.saved_version(programme=self.programme, targeting_id=values["targeting"]).criteria
        else:
            tree = values["criteria"]
        checked = selectors.read(tree, programme=self.programme)
        now = clock.now()
        if values["is_estimate"]:
            found = selectors.estimate(checked, programme=self.programme, now=now)
        else:
            found = selectors.Estimate(selectors.count(checked, programme=self.programme, now=now), is_exact=True)
        return Response(
            {
                "count": found.count,
                "is_exact": found.is_exact,
                "sentence": str(criteria_trees.sentence(checked)),
            }
        )
