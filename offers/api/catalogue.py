"""`config-offers`: the catalogue for content systems, tills and shops (S0-32, S4-04, S4-40)."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.pagination import NewestFirstCursor
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.view import OffersView
from offers.models import Audience, ConfigOffer, OfferRevision, RepeatPolicy
from offers.selectors import catalogue as selectors
from offers.services import catalogue

BY = OpenApiParameter("by", str, enum=["offer_reference", "external_id"], description="What the address carries.")


class RevisionSerializer(serializers.ModelSerializer[OfferRevision]):
    class Meta:
        model = OfferRevision
        fields = ["number", "name", "description", "image_url", "web_page_url", "terms", "texts", "published_at"]


class ConfigOfferSerializer(serializers.ModelSerializer[ConfigOffer]):
    published = RevisionSerializer(
        source="current_revision", read_only=True, help_text="What members see; the rest is what stands in the editor."
    )

    class Meta:
        model = ConfigOffer
        fields = [
            "id",
            "public_id",
            *catalogue.WRITABLE,
            "state",
            "published",
            "published_at",
            "archived_at",
            "created_at",
            "updated_at",
        ]


class ConfigOfferValues(serializers.Serializer[Any]):
    """What may be given: documentation; the service checks, and names every problem at once."""

    offer_reference = serializers.CharField(max_length=100, required=False)
    external_id = serializers.CharField(max_length=200, required=False, allow_null=True)
    audience = serializers.ChoiceField(Audience.choices, required=False)
    name = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    image_url = serializers.URLField(max_length=500, required=False, allow_blank=True)
    web_page_url = serializers.URLField(max_length=500, required=False, allow_blank=True)
    to_synchronize = serializers.BooleanField(required=False)
    require_vouchers = serializers.BooleanField(required=False)
    repeat_policy = serializers.ChoiceField(RepeatPolicy.choices, required=False)
    is_bearer = serializers.BooleanField(required=False)
    rank = serializers.IntegerField(required=False)
    terms = serializers.DictField(required=False, help_text="Rules by kind.")
    texts = serializers.DictField(required=False, help_text="Texts by language.")
    # Declared fields leave the class, so this hides nothing of the serializer's own.
    fields = serializers.DictField(required=False, help_text="Own extra fields.")  # type: ignore[assignment]


class ConfigOffers(OffersView):
    scopes = {"GET": Scope.CATALOGUE_READ}

    @extend_schema(
        operation_id="list_config_offers",
        responses=ConfigOfferSerializer(many=True),
        parameters=[
            OpenApiParameter("state", str, enum=ConfigOffer.State.values),
            OpenApiParameter("audience", str, enum=Audience.values),
            OpenApiParameter("q", str, description="Words of name, reference, external id or description."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the catalogue, the newest first."""
        chosen = {"state": ConfigOffer.State.values, "audience": Audience.values}
        for name, known in chosen.items():
            if request.query_params.get(name, "") not in ["", *known]:
                message = f"`{name}` is one of: {', '.join(known)}."
                raise InvalidInput(message, problems=[{"field": name, "code": "unknown_choice", "message": message}])
        found = selectors.offers(
            programme=self.programme,
            text=request.query_params.get("q", ""),
            **{name: request.query_params.get(name, "") for name in chosen},
        )
        pages = NewestFirstCursor()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(ConfigOfferSerializer(page, many=True).data)


class OneConfigOffer(OffersView):
    scopes = {"GET": Scope.CATALOGUE_READ, "PUT": Scope.CATALOGUE_WRITE}
    keys = ("offer_reference", "external_id")

    @extend_schema(operation_id="get_config_offer", responses=ConfigOfferSerializer, parameters=[BY])
    def get(self, request: Request, key: str) -> Response:
        """Return one offer."""
        return Response(ConfigOfferSerializer(selectors.find(programme=self.programme, by=self.by, key=key)).data)

    @extend_schema(
        operation_id="put_config_offer",
        request=ConfigOfferValues,
        responses={200: ConfigOfferSerializer, 201: ConfigOfferSerializer},
        parameters=[BY],
    )
    def put(self, request: Request, key: str) -> Response:
        """Create the offer or change the fields that are given; the same call again changes nothing."""
        done = catalogue.put(
            programme=self.programme,
            key={self.by: key},
            values=self.storable_body(),
            actor=None,
            api_client=self.client,
        )
        offer = selectors.find(programme=self.programme, by="pk", key=done.offer.pk)
        return Response(ConfigOfferSerializer(offer).data, status=201 if done.is_created else 200)


class PublishConfigOffer(OffersView):
    scopes = {"POST": Scope.CATALOGUE_WRITE}
    keys = OneConfigOffer.keys

    @extend_schema(operation_id="publish_config_offer", request=None, responses=ConfigOfferSerializer, parameters=[BY])
    def post(self, request: Request, key: str) -> Response:
        """Publish the offer as it stands: its next revision."""
        offer = selectors.find(programme=self.programme, by=self.by, key=key)
        catalogue.publish(offer=offer, actor=None, now=clock.now(), api_client=self.client)
        return Response(ConfigOfferSerializer(selectors.find(programme=self.programme, by="pk", key=offer.pk)).data)


class ArchiveConfigOffer(OffersView):
    scopes = {"POST": Scope.CATALOGUE_WRITE}
    keys = OneConfigOffer.keys

    @extend_schema(operation_id="archive_config_offer", request=None, responses=ConfigOfferSerializer, parameters=[BY])
    def post(self, request: Request, key: str) -> Response:
        """Close the offer; archiving again changes nothing."""
        offer = selectors.find(programme=self.programme, by=self.by, key=key)
        catalogue.archive(offer=offer, actor=None, now=clock.now(), api_client=self.client)
        return Response(ConfigOfferSerializer(selectors.find(programme=self.programme, by="pk", key=offer.pk)).data)
