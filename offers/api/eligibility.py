"""`eligibility` of an offer: whom it may be given to, at every door (S0-02)."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.documentation import ProblemSchema
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.catalogue import BY
from offers.api.view import OffersView
from offers.models import ConfigOffer, Targeting
from offers.selectors import catalogue
from offers.selectors import eligibility as selectors
from offers.selectors import targeting as targetings
from offers.services import eligibility_settings
from offers.services.problem import problem


class EligibilityValues(serializers.Serializer[Any]):
    """Give one of the two: the id of a saved targeting, or criteria of the offer's own; null asks nothing."""

    targeting = serializers.IntegerField(
        required=False, allow_null=True, help_text="Id of a saved targeting: as it is now, until it is chosen again."
    )
    criteria = extend_schema_field(OpenApiTypes.OBJECT)(serializers.JSONField)(
        required=False, allow_null=True, help_text="A tree of criteria, as in `targetings/count`."
    )


class EligibilitySerializer(EligibilityValues):
    version = serializers.IntegerField(allow_null=True, help_text="Of the targeting, or of the own criteria.")
    meaning = serializers.CharField(help_text="In words; why not where nobody can tell any more.")
    is_readable = serializers.BooleanField(
        help_text="False: it speaks of what is no more, so the offer is closed until it is set again."
    )


class ConfigOfferEligibility(OffersView):
    scopes = {"GET": Scope.LIMITS, "PUT": Scope.LIMITS}
    keys = ("offer_reference", "external_id")

    @extend_schema(operation_id="get_config_offer_eligibility", responses=EligibilitySerializer, parameters=[BY])
    def get(self, request: Request, key: str) -> Response:
        """Return what the offer asks of its members."""
        return self.answer(catalogue.find(programme=self.programme, by=self.by, key=key))

    @extend_schema(
        operation_id="put_config_offer_eligibility",
        request=EligibilityValues,
        responses={
            200: EligibilitySerializer,
            422: OpenApiResponse(ProblemSchema, "Something given is not acceptable; every problem is named."),
        },
        parameters=[BY],
    )
    def put(self, request: Request, key: str) -> Response:
        """Choose whom the offer may be given to from now on; the same call again changes nothing."""
        offer = catalogue.find(programme=self.programme, by=self.by, key=key)
        given = _checked(self.body())
        if given.get("criteria") is not None:
            eligibility_settings.put_conditions(
                offer=offer, criteria=given["criteria"], actor=None, api_client=self.client
            )
        else:
            eligibility_settings.put(
                offer=offer, targeting=self._targeting(given.get("targeting")), actor=None, api_client=self.client
            )
        return self.answer(catalogue.find(programme=self.programme, by="pk", key=offer.pk))

    def _targeting(self, targeting_id: int | None) -> Targeting | None:
        if targeting_id is None:
            return None
        found = targetings.saved(self.programme).filter(pk=targeting_id).first()
        if found is None:
            message = f"There is no targeting with the id {targeting_id}."
            raise InvalidInput(message, problems=[problem("targeting", "unknown_targeting", message)])
        return found

    def answer(self, offer: ConfigOffer) -> Response:
        asked = selectors.of(offer)
        if asked is None:
            nothing = {"targeting": None, "criteria": None, "version": None}
            return Response(nothing | {"meaning": "Every active member.", "is_readable": True})
        version = asked.version
        return Response(
            {
                "targeting": None if asked.is_own else version.targeting_id,
                "criteria": version.criteria if asked.is_own else None,
                "version": version.number,
                "meaning": asked.sentence,
                "is_readable": asked.is_readable,
            }
        )


def _checked(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was given, or raise every problem of its shape."""
    found = [
        problem(name, "unknown_field", f"There is no field “{name}”.")
        for name in body
        if name not in ("targeting", "criteria")
    ]
    if not body:
        found.append(problem("", "required", "Give `targeting` or `criteria`; null asks nothing of members."))
    if body.get("targeting") is not None and body.get("criteria") is not None:
        found.append(problem("criteria", "one_of_two", "Give either a targeting or criteria."))
    targeting_id = body.get("targeting")
    is_id = isinstance(targeting_id, int) and not isinstance(targeting_id, bool) and 0 < targeting_id < 2**63
    if targeting_id is not None and not is_id:
        found.append(problem("targeting", "not_an_id", "Give the id of a saved targeting: a whole number."))
    if found:
        raise InvalidInput("Whom the offer is for was not set.", problems=found)
    return body
