"""`offer-templates`: with the JSON Schema of the rules that an assignment must carry (S0-05..07, S0-32, B-15)."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.pagination import NewestFirstCursor
from loyalty.models import Scope
from offers import rules
from offers.api.view import OffersView
from offers.models import OfferTemplate
from offers.selectors import catalogue as offer_selectors
from offers.selectors import template as selectors
from offers.services import template as service

BY = OpenApiParameter("by", str, enum=["external_id", "id"], description="What the address carries.")


class OfferTemplateSerializer(serializers.ModelSerializer[OfferTemplate]):
    config_offer = serializers.CharField(source="config_offer.offer_reference", help_text="The offer's reference.")
    schema = serializers.SerializerMethodField(help_text="JSON Schema of the terms that an assignment must carry.")

    class Meta:
        model = OfferTemplate
        fields = [
            "id",
            "external_id",
            "config_offer",
            "name",
            "description",
            "required_rules",
            "desk_roles",
            "schema",
            "is_default",
            "archived_at",
            "created_at",
            "updated_at",
        ]

    def get_schema(self, template: OfferTemplate) -> dict[str, Any]:
        return rules.schema(template.required_rules)


class OfferTemplateValues(serializers.Serializer[Any]):
    """What may be given: documentation; the service checks, and names every problem at once."""

    config_offer = serializers.CharField(help_text="The offer's reference.", required=False)
    name = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    required_rules = serializers.ListField(child=serializers.ChoiceField(list(rules.KINDS)), required=False)
    desk_roles = serializers.ListField(
        child=serializers.CharField(max_length=150),
        required=False,
        help_text="Names of the roles that may grant it at the desk; none: every role that may grant.",
    )


class OfferTemplates(OffersView):
    scopes = {"GET": Scope.CATALOGUE_READ}

    @extend_schema(
        operation_id="list_offer_templates",
        responses=OfferTemplateSerializer(many=True),
        parameters=[
            OpenApiParameter("q", str, description="Words of name, external id or the offer's name or reference."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the templates in use, the newest first."""
        found = selectors.templates(programme=self.programme, text=request.query_params.get("q", ""), is_archived=False)
        pages = NewestFirstCursor()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(OfferTemplateSerializer(page, many=True).data)


class OneOfferTemplate(OffersView):
    scopes = {"GET": Scope.CATALOGUE_READ, "PUT": Scope.CATALOGUE_WRITE}
    keys = ("external_id", "id")

    @extend_schema(operation_id="get_offer_template", responses=OfferTemplateSerializer, parameters=[BY])
    def get(self, request: Request, key: str) -> Response:
        """Return one template."""
        return Response(OfferTemplateSerializer(selectors.find(programme=self.programme, by=self.by, key=key)).data)

    @extend_schema(
        operation_id="put_offer_template",
        request=OfferTemplateValues,
        responses={200: OfferTemplateSerializer, 201: OfferTemplateSerializer},
        parameters=[BY],
    )
    def put(self, request: Request, key: str) -> Response:
        """Create the template by its external id, or change the fields that are given; again changes nothing."""
        values = dict(self.storable_body())
        if "config_offer" in values:
            reference = values["config_offer"]
            found = offer_selectors.offers(programme=self.programme).filter(offer_reference=str(reference))
            values["config_offer"] = found.first()
        if self.by == "id":
            template = selectors.find(programme=self.programme, by="id", key=key)
            service.update(template=template, values=values, actor=None, api_client=self.client)
            is_created = False
        else:
            done = service.put(
                programme=self.programme, external_id=key, values=values, actor=None, api_client=self.client
            )
            template, is_created = done.template, done.is_created
        template = selectors.find(programme=self.programme, by="id", key=str(template.pk))
        return Response(OfferTemplateSerializer(template).data, status=201 if is_created else 200)


class ArchiveOfferTemplate(OffersView):
    scopes = {"POST": Scope.CATALOGUE_WRITE}
    keys = OneOfferTemplate.keys

    @extend_schema(
        operation_id="archive_offer_template", request=None, responses=OfferTemplateSerializer, parameters=[BY]
    )
    def post(self, request: Request, key: str) -> Response:
        """Take the template out of use; archiving again changes nothing."""
        template = selectors.find(programme=self.programme, by=self.by, key=key)
        done = service.archive(template=template, actor=None, now=clock.now(), api_client=self.client)
        return Response(OfferTemplateSerializer(done).data)
