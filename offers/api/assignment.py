"""`assignments`: the API's own door (it is the campaign door for machines), and what came through all doors."""

import uuid
from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from loyalty.api.fields import ObjectField
from loyalty.api.idempotency import idempotent
from loyalty.api.problems import problem
from loyalty.errors import Forbidden, InvalidInput, NotFound
from loyalty.models import Scope
from offers import rules
from offers.api.view import OffersView
from offers.models import STATUS_LABELS, Assignment, Campaign, FieldDefinition, OfferTemplate, Source
from offers.services import assignment_verbs, door, field
from offers.services.assignment import Grant

# A refused grant is a 409 with the outcome's code; the reasons name rules and fields.
REFUSALS = {
    "already_held": "The member holds this offer already.",
    "ineligible": "The member is not eligible.",
    "unknown_member": "There is no such member.",
    "member_inactive": "The member is not active.",
    "offer_closed": "The offer cannot be assigned now.",
    "missing_rule": "The template requires rules that were not given.",
    "invalid_value": "A rule's value is not acceptable.",
    "cap_reached": "The offer's limit is reached.",
    "budget_reached": "The budget is used up.",
    "out_of_codes": "The offer's bank has no voucher code left.",
    "held_out": "The member is held out of this campaign.",
}
STATUSES = sorted(STATUS_LABELS)
SOURCES = {source.name.lower(): source for source in Source}


class AssignmentSerializer(serializers.ModelSerializer[Assignment]):
    """The record with the source ids of its offer and its template (S0-10)."""

    member = serializers.CharField(source="member.external_id", help_text="External id.")
    offer = serializers.CharField(source="config_offer.offer_reference")
    offer_external_id = serializers.CharField(source="config_offer.external_id", allow_null=True)
    template = serializers.IntegerField(source="template_id")
    template_external_id = serializers.CharField(source="template.external_id", allow_null=True)
    campaign = serializers.CharField(source="campaign.external_id", allow_null=True, default=None)
    # DRF's own `source` is an argument of fields; a serializer has no use for it.
    source: Any = serializers.SerializerMethodField()
    replaces = serializers.UUIDField(
        source="replaces_id", allow_null=True, help_text="The assignment that this one was reissued for."
    )
    status = serializers.SerializerMethodField()
    terms = serializers.SerializerMethodField(help_text="Effective: the revision's, overridden by those given.")

    class Meta:
        model = Assignment
        fields = [
            "id",
            "member",
            "offer",
            "offer_external_id",
            "template",
            "template_external_id",
            "campaign",
            "source",
            "reference",
            "status",
            "rank",
            "starts_at",
            "ends_at",
            "acceptance_required",
            "replaces",
            "exposure_minor",
            "terms",
            "fields",
            "issued_at",
            "synchronized_at",
            "seen_at",
            "exposed_at",
            "accepted_at",
            "used_up_at",
            "closed_at",
            "revoked_at",
            "updated_at",
        ]

    @extend_schema_field(serializers.ChoiceField(sorted(SOURCES)))
    def get_source(self, assignment: Assignment) -> str:
        return Source(assignment.source).name.lower()

    @extend_schema_field(serializers.ChoiceField(STATUSES))
    def get_status(self, assignment: Assignment) -> str:
        return assignment.status(self.context["now"])

    def get_terms(self, assignment: Assignment) -> dict[str, Any]:
        return rules.effective(assignment.revision.terms, assignment.terms or {})


class OneAssignmentSchema(AssignmentSerializer):
    voucher_code = serializers.CharField(allow_null=True, required=False, help_text="Only with `include=voucher_code`.")

    class Meta(AssignmentSerializer.Meta):
        fields = [*AssignmentSerializer.Meta.fields, "voucher_code"]


class GrantValues(serializers.Serializer[Any]):
    """A grant: who gets what, with which values. Give `offer` or `template`, not both."""

    member = serializers.CharField(max_length=200, help_text="The member's external id.")
    offer = serializers.CharField(
        max_length=200, required=False, help_text="Offer reference or external id: its default template is meant."
    )
    template = serializers.CharField(max_length=200, required=False, help_text="External id of an offer template.")
    terms = ObjectField(required=False, help_text="Rules by kind; each replaces the offer's own.")
    campaign = serializers.CharField(max_length=200, required=False, allow_null=True, help_text="External id.")
    reference = serializers.CharField(
        max_length=200,
        required=False,
        help_text="Your own id of this grant: the same grant again is answered as before, another one is refused.",
    )
    rank = serializers.IntegerField(required=False, allow_null=True, min_value=-(2**31), max_value=2**31 - 1)
    # Declared fields leave the class, so this hides nothing of the serializer's own.
    fields = ObjectField(required=False, help_text="Declared extra fields.")  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("offer" in attrs) == ("template" in attrs):
            raise serializers.ValidationError({"offer": "Give either an offer or a template."}, code="one_of_two")
        return attrs


class GrantAnswer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["assigned"])
    assignment = serializers.UUIDField(help_text="The Personalized Offer ID.")


class AssignmentFilter(django_filters.FilterSet):
    member = django_filters.CharFilter(field_name="member__external_id", label="External id of the member.")
    offer = django_filters.CharFilter(field_name="config_offer__offer_reference", label="Offer reference.")
    template = django_filters.CharFilter(field_name="template__external_id", label="External id of the template.")
    campaign = django_filters.CharFilter(field_name="campaign__external_id", label="External id of the campaign.")
    source = django_filters.ChoiceFilter(
        choices=[(name, name) for name in SOURCES], method="of_source", label="The door it came through."
    )
    issued_from = django_filters.IsoDateTimeFilter(field_name="issued_at", lookup_expr="gte", label="Issued since.")
    issued_until = django_filters.IsoDateTimeFilter(field_name="issued_at", lookup_expr="lt", label="Issued before.")

    class Meta:
        model = Assignment
        fields: list[str] = []

    def of_source(self, found: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        return found.filter(source=SOURCES[value])


class AssignmentsView(OffersView, GenericAPIView[Assignment]):
    serializer_class = AssignmentSerializer
    queryset = Assignment.objects.none()

    def get_queryset(self) -> QuerySet[Assignment]:
        return (
            Assignment.objects.of_programme(self.programme)
            .filter(config_offer__programme=self.programme)
            .select_related("member", "config_offer", "revision", "template", "campaign")
        )


class Assignments(AssignmentsView):
    scopes = {"GET": Scope.ASSIGNMENTS_READ, "POST": Scope.ASSIGN}
    filterset_class = AssignmentFilter

    @extend_schema(operation_id="list_assignments", responses=AssignmentSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List assignments of all doors, the newest first; never with codes (D-10)."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        data = AssignmentSerializer(page, many=True, context={"now": clock.now()}).data
        return self.get_paginated_response(data)

    @extend_schema(
        operation_id="create_assignment",
        filters=False,
        request=GrantValues,
        responses={201: GrantAnswer, 404: ProblemSchema, 409: ProblemSchema, 422: ProblemSchema},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Assign an offer to a member; a refusal is a 409 whose `code` says why."""
        values = GrantValues(data=request.data)
        values.is_valid(raise_exception=True)
        now = clock.now()
        answer = door.grant(
            programme=self.programme,
            door=Source.API,
            instance=self.client.prefix,
            grant=self.grant(values.validated_data),
            actor=None,
            context={"api_client": self.client.name},
            now=now,
        )
        outcome = answer.outcome
        if outcome.is_assigned:
            response = Response(outcome.as_dict(), status=201)
        else:
            response = problem(
                status=409,
                code=outcome.code,
                detail=REFUSALS.get(outcome.code, outcome.code),
                problems=[reason.as_dict() for reason in outcome.reasons],
            )
        response["Laurel-Replayed"] = "true" if answer.is_replayed else "false"
        return response

    def grant(self, values: dict[str, Any]) -> Grant:
        """Return the grant that the values mean, or raise every problem of what they name."""
        problems = []
        template = self.template(values)
        if template is None:
            name = "template" if "template" in values else "offer"
            message = f"There is no {name} “{values[name]}”."
            problems.append({"field": name, "code": f"unknown_{name}", "message": message})
        campaign = None
        if values.get("campaign"):
            campaign = Campaign.objects.filter(programme=self.programme, external_id=values["campaign"]).first()
            if campaign is None:
                message = f"There is no campaign “{values['campaign']}”."
                problems.append({"field": "campaign", "code": "unknown_campaign", "message": message})
        extra, found = field.check(
            programme=self.programme, table=FieldDefinition.Table.ASSIGNMENTS, values=values.get("fields", {})
        )
        problems += found
        if problems or template is None:
            raise InvalidInput("Some fields are not acceptable.", problems=problems)
        return Grant(
            template_id=template.pk,
            member_external_id=values["member"],
            terms=values.get("terms", {}),
            campaign_id=campaign.pk if campaign else None,
            rank=values.get("rank"),
            # Each grant through a door has a reference; nobody asks twice under one that she does not know.
            reference=values.get("reference") or f"request:{uuid.uuid4()}",
            fields=extra or None,
        )

    def template(self, values: dict[str, Any]) -> OfferTemplate | None:
        """Find the template, or the offer's default one (D-11)."""
        known = OfferTemplate.objects.filter(programme=self.programme)
        if "template" in values:
            return known.filter(external_id=values["template"]).first()
        # A draft has no default template yet; whether it can be assigned is for `assign` to say.
        by_offer = known.filter(is_default=True)
        return (
            by_offer.filter(config_offer__offer_reference=values["offer"]).first()
            or by_offer.filter(config_offer__external_id=values["offer"]).first()
        )


class OneAssignment(AssignmentsView):
    scopes = {"GET": Scope.ASSIGNMENTS_READ}

    @extend_schema(
        operation_id="get_assignment",
        parameters=[
            OpenApiParameter(
                "include",
                str,
                enum=["voucher_code"],
                description="Needs the scope `codes:read`. The code then counts as exposed, for good.",
            )
        ],
        responses={200: OneAssignmentSchema, 403: ProblemSchema, 404: ProblemSchema},
    )
    def get(self, request: Request, assignment_id: UUID) -> Response:
        """Return one assignment by its Personalized Offer ID (S0-03)."""
        is_code_wanted = request.query_params.get("include") == "voucher_code"
        if is_code_wanted and Scope.CODES_READ not in self.client.scopes:
            # A code is worth money: who may read assignments may not spend them (D-10).
            raise Forbidden(
                f"This key lacks the scope “{Scope.CODES_READ}”, which include=voucher_code needs.",
                code="missing_scope",
                scope=Scope.CODES_READ.value,
            )
        now = clock.now()
        found = self.get_queryset().filter(pk=assignment_id).first()
        if found is None:
            raise NotFound("There is no such assignment.")
        code: dict[str, Any] = {}
        if is_code_wanted:
            shown = assignment_verbs.expose(
                member_id=found.member_id,
                assignment_id=found.pk,
                now=now,
                source=Source.API,
                api_client=self.client,
                is_till=Scope.TILL in self.client.scopes,
            )
            found.refresh_from_db(fields=["exposed_at", "updated_at"])
            code = {"voucher_code": shown}
        return Response(AssignmentSerializer(found, context={"now": now}).data | code)
