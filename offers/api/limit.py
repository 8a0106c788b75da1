"""`limits` of offers and campaigns: what they may give, what they gave, and setting it (D-05, B-14)."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from loyalty.models import Scope
from offers.api.catalogue import BY
from offers.api.view import OffersView
from offers.models import Campaign, ConfigOffer
from offers.selectors import campaign as campaigns
from offers.selectors import catalogue
from offers.selectors import limit as selectors
from offers.services import limit_settings

COUNT: dict[str, Any] = {
    "min_value": 0,
    "max_value": limit_settings.LARGEST["cap"],
    "required": False,
    "allow_null": True,
}
MONEY: dict[str, Any] = COUNT | {"max_value": limit_settings.LARGEST["budget_minor"]}
NOTHING: dict[str, Any] = dict.fromkeys(limit_settings.NUMBERS)
ANSWERS = {
    409: OpenApiResponse(ProblemSchema, "`assigning_now`: offers are being assigned without a pause. Try again."),
    422: OpenApiResponse(ProblemSchema, "Something given is not acceptable; every problem is named."),
}


class LimitValues(serializers.Serializer[Any]):
    """What may be given: documentation; the service checks, and names every problem at once."""

    cap = serializers.IntegerField(help_text="Assignments in all; null: no limit.", **COUNT)
    daily_cap = serializers.IntegerField(help_text="Assignments a day of the programme.", **COUNT)
    budget_minor = serializers.IntegerField(help_text="Worst-case benefit in all, in minor units.", **MONEY)
    daily_budget_minor = serializers.IntegerField(help_text="The same a day.", **MONEY)
    is_budget_hard = serializers.BooleanField(
        required=False, help_text="False: an overdrawn budget only warns (`overdrawn_at`)."
    )
    per_member = serializers.IntegerField(
        min_value=1,
        max_value=limit_settings.LARGEST["per_member"],
        required=False,
        allow_null=True,
        help_text="Only of a campaign: how many of its offers one member gets.",
    )


class UsedSerializer(serializers.Serializer[Any]):
    """One limit that is set: assignments, or minor units of money."""

    limit = serializers.ChoiceField(["cap", "daily_cap", "budget_minor", "daily_budget_minor"], source="name")
    most = serializers.IntegerField()
    used = serializers.IntegerField(help_text="With what runs at work have reserved.")
    left = serializers.IntegerField(help_text="Never below zero.")


class LimitsSerializer(LimitValues):
    usage = UsedSerializer(many=True, help_text="One entry for each cap and budget that is set.")
    day = serializers.DateField(allow_null=True, help_text="The programme's day that the daily ones count for.")
    reserved = serializers.IntegerField(help_text="Of what is used: the shares of runs that are at work.")
    is_in_force = serializers.BooleanField(
        help_text="False while what was given before it is still being counted. What is not counted refuses nothing"
        " yet: a new limit none of it, a first limit per member that alone."
    )
    overdrawn_at = serializers.DateTimeField(allow_null=True, help_text="Since when a soft budget is overdrawn.")


def answer(owner: ConfigOffer | Campaign) -> Response:
    """Return what is limited and used; nothing limited is nulls and no usage."""
    usage = selectors.of(owner, now=clock.now())
    if usage is None:
        nothing: dict[str, Any] = NOTHING | {
            "is_budget_hard": True,
            "usage": [],
            "day": None,
            "reserved": 0,
            "is_in_force": True,
            "overdrawn_at": None,
        }
        return Response(LimitsSerializer(nothing).data)
    limit = usage.limit
    found = {name: getattr(limit, name) for name in limit_settings.WRITABLE}
    found |= {
        "usage": usage.lines,
        "day": usage.day,
        "reserved": usage.reserved,
        "is_in_force": limit.is_in_force,
        "overdrawn_at": limit.overdrawn_at,
    }
    return Response(LimitsSerializer(found).data)


class LimitsView(OffersView):
    scopes = {"GET": Scope.LIMITS, "PUT": Scope.LIMITS}

    def put_limits(self, owner: ConfigOffer | Campaign) -> Response:
        limit_settings.put(owner=owner, values=self.body(), actor=None, api_client=self.client, now=clock.now())
        return answer(owner)


class ConfigOfferLimits(LimitsView):
    keys = ("offer_reference", "external_id")

    @extend_schema(operation_id="get_config_offer_limits", responses=LimitsSerializer, parameters=[BY])
    def get(self, request: Request, key: str) -> Response:
        """Return what the offer may give, gave and has left."""
        return answer(catalogue.find(programme=self.programme, by=self.by, key=key))

    @extend_schema(
        operation_id="put_config_offer_limits",
        request=LimitValues,
        responses={200: LimitsSerializer, **ANSWERS},
        parameters=[BY],
    )
    def put(self, request: Request, key: str) -> Response:
        """Set the limits that are given and leave the rest; null takes one away."""
        return self.put_limits(catalogue.find(programme=self.programme, by=self.by, key=key))


class CampaignLimits(LimitsView):
    @extend_schema(operation_id="get_campaign_limits", responses=LimitsSerializer)
    def get(self, request: Request, key: str) -> Response:
        """Return what the campaign with this external id may give, gave and has left."""
        return answer(campaigns.find(programme=self.programme, external_id=key))

    @extend_schema(
        operation_id="put_campaign_limits", request=LimitValues, responses={200: LimitsSerializer, **ANSWERS}
    )
    def put(self, request: Request, key: str) -> Response:
        """Set the limits that are given and leave the rest; null takes one away."""
        return self.put_limits(campaigns.find(programme=self.programme, external_id=key))
