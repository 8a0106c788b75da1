"""`members/{external_id}/explain`: why a member does not have, see or use an offer (B-02)."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from loyalty.api.view import ClientView
from loyalty.errors import Forbidden, InvalidInput
from loyalty.models import Scope
from loyalty.selectors import member as members
from offers.api.targeting import ClauseSerializer
from offers.models import Source
from offers.selectors import explanation_subject as subjects
from offers.services import explanation
from offers.services.explanation import Sees
from offers.services.verb import By

LONGEST = 200


class StepSerializer(serializers.Serializer[Any]):
    question = serializers.CharField(help_text="Such as `eligibility`; its words are in `label`.")
    label: Any = serializers.CharField()
    code = serializers.CharField(help_text="What it came to; stable.")
    state = serializers.ChoiceField(["passed", "failed", "not_asked"])
    text = serializers.CharField()
    has = serializers.CharField(help_text="The member's own value, or nothing.")
    needed = serializers.CharField(help_text="What it should be, or nothing.")
    clauses = ClauseSerializer(many=True, help_text="Of an audience, for a key with the scope `targetings`.")


class ActionSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    text = serializers.CharField()
    assignment = serializers.UUIDField(source="assignment_id", allow_null=True)
    template = serializers.IntegerField(source="template_id", allow_null=True)
    run = serializers.IntegerField(source="run_id", allow_null=True)
    until = serializers.DateTimeField(allow_null=True)


class MemberExplanationSerializer(serializers.Serializer[Any]):
    member = serializers.CharField(source="member.external_id")
    offer = serializers.CharField(source="offer.offer_reference", allow_null=True, default=None)
    assignment = serializers.UUIDField(source="assignment_id", allow_null=True)
    code = serializers.CharField(help_text="The verdict; stable.")
    to_member = serializers.CharField(help_text="To be read out or shown to her.")
    to_agent = serializers.CharField(help_text="For staff alone.")
    has = serializers.BooleanField()
    sees = serializers.BooleanField()
    can_use = serializers.BooleanField()
    grant_code = serializers.CharField(allow_null=True, help_text="What granting it to her would answer now.")
    steps = StepSerializer(many=True)
    actions = ActionSerializer(many=True)


class ExplainMember(ClientView):
    scopes = {"GET": Scope.ASSIGNMENTS_READ}

    @extend_schema(
        operation_id="explain_member_offer",
        filters=False,
        parameters=[
            OpenApiParameter(
                "offer",
                str,
                description="Offer reference, external id of an offer or a template, public id, Personalized Offer ID, "
                "or voucher code.",
            ),
            OpenApiParameter("code", str, description="A voucher code, and nothing else. Give `offer` or `code`."),
        ],
        responses={200: MemberExplanationSerializer, 403: ProblemSchema, 404: ProblemSchema, 422: ProblemSchema},
    )
    def get(self, request: Request, external_id: str) -> Response:
        """Say why the member does not have, see or use the offer, or that she can.

        It tells her values, so it needs the scope `members` too; and the scope `targetings` for what runs planned and
        for audiences clause by clause. Each answer is written down in the audit.
        """
        if Scope.MEMBERS not in self.client.scopes:
            message = f"This key lacks the scope “{Scope.MEMBERS}”, which an explanation needs."
            raise Forbidden(message, code="missing_scope", scope=Scope.MEMBERS.value)
        given = {name: request.query_params.get(name, "").strip() for name in ("offer", "code")}
        named = {name: text for name, text in given.items() if text}
        if len(named) != 1 or any(len(text) > LONGEST for text in named.values()):
            message = f"Give `offer` or `code`, one of the two, of at most {LONGEST} characters."
            raise InvalidInput(message, problems=[{"field": "offer", "code": "one_of_two", "message": message}])
        member = members.find(programme=self.programme, external_id=external_id)
        member.programme = self.programme
        if "code" in named:
            subject = subjects.by_code(programme=self.programme, code=named["code"])
        else:
            subject = subjects.find(programme=self.programme, text=named["offer"])
        sees_runs = Scope.TARGETINGS in self.client.scopes
        found = explanation.explain(
            member=member,
            subject=subject,
            sees=Sees(clauses=sees_runs, runs=sees_runs),
            by=By(Source.API, api_client=self.client),
            now=clock.now(),
        )
        return Response(MemberExplanationSerializer(found).data)
