"""`targetings/count`: how many members criteria mean, before anything is launched (S4-26)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from loyalty.errors import Forbidden, InvalidInput
from loyalty.models import Scope
from loyalty.selectors import member as members
from loyalty.services import audit
from offers import targeting as criteria_trees
from offers.api.view import OffersView
from offers.selectors import targeting as selectors
from offers.selectors.targeting_explanation import explain
from offers.targeting import Criteria


class CriteriaRequest(serializers.Serializer[Any]):
    """A saved targeting's id, or a criteria tree; one of the two."""

    targeting = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    criteria = serializers.JSONField(required=False)


class CountRequest(CriteriaRequest):
    is_estimate = serializers.BooleanField(required=False, default=False, help_text="About, at once, from a sample.")


class CountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    is_exact = serializers.BooleanField()
    sentence = serializers.CharField(help_text="The criteria in words.")


class ExplainRequest(CriteriaRequest):
    member = serializers.CharField(help_text="The member's external id.")


class ClauseSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="Places within the groups: `0.2`; empty for the whole.")
    depth = serializers.IntegerField()
    kind = serializers.ChoiceField(["group", "condition", "targeting"])
    text = serializers.CharField()
    holds = serializers.BooleanField()
    value = serializers.CharField(help_text="What the member has; empty for groups.")


class ExplanationSerializer(serializers.Serializer[Any]):
    member = serializers.CharField(source="member.external_id")
    is_meant = serializers.BooleanField()
    sentence = serializers.CharField()
    clauses = ClauseSerializer(many=True, help_text="Every clause, parents first.")


class TargetingView(OffersView):
    """What the views of criteria share."""

    scopes = {"POST": Scope.TARGETINGS}

    def require_members(self, what: str) -> None:
        """Refuse a key that may not read members: whatever is known of one can be asked by a condition on it."""
        if Scope.MEMBERS not in self.client.scopes:
            message = f"This key lacks the scope “{Scope.MEMBERS}”, which {what} needs."
            raise Forbidden(message, code="missing_scope", scope=Scope.MEMBERS.value)

    def require_members_for(self, checked: Criteria) -> None:
        """Refuse a key that may not read members where the criteria name single ones."""
        if checked.names_members and Scope.MEMBERS not in self.client.scopes:
            message = (
                "These criteria name members, by id, e-mail address, phone number or list: a count tells about each. "
                f"That needs the scope “{Scope.MEMBERS}”, which this key lacks. Leave those conditions out."
            )
            raise Forbidden(message, code="missing_scope", scope=Scope.MEMBERS.value)

    def criteria(self, values: dict[str, Any]) -> Criteria:
        """Return the checked criteria that were given, or those of the targeting that was named."""
        if ("targeting" in values) == ("criteria" in values):
            raise InvalidInput("Give `targeting` or `criteria`, one of the two.")
        if "targeting" in values:
            tree = selectors.saved_version(programme=self.programme, targeting_id=values["targeting"]).criteria
        else:
            tree = values["criteria"]
        return selectors.read(tree, programme=self.programme)


class CountTargeting(TargetingView):
    @extend_schema(
        operation_id="count_targeting",
        request=CountRequest,
        responses={200: CountSerializer, 403: ProblemSchema, 404: ProblemSchema, 422: ProblemSchema},
    )
    def post(self, request: Request) -> Response:
        """Count the members that a saved targeting or a criteria tree means; writes nothing.

        Criteria that name members (external ids, e-mail addresses, phone numbers, lists) need the scope `members` too.
        """
        given = CountRequest(data=self.body())
        given.is_valid(raise_exception=True)
        values = given.validated_data
        checked = self.criteria(values)
        self.require_members_for(checked)
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


class ExplainTargeting(TargetingView):
    @extend_schema(
        operation_id="explain_targeting",
        request=ExplainRequest,
        responses={200: ExplanationSerializer, 403: ProblemSchema, 404: ProblemSchema, 422: ProblemSchema},
    )
    def post(self, request: Request) -> Response:
        """Say of one member whether she is meant, and why, clause by clause with her values (B-02)."""
        self.require_members("an explanation")
        given = ExplainRequest(data=self.body())
        given.is_valid(raise_exception=True)
        checked = self.criteria(given.validated_data)
        member = members.find(programme=self.programme, external_id=given.validated_data["member"])
        # Her values are read: which key asked is written down, as for a person on the page.
        audit.record(
            action="member.explained",
            actor=None,
            api_client=self.client,
            programme=self.programme,
            target=member,
            data={},
        )
        found = explain(checked, programme=self.programme, member=member, now=clock.now())
        return Response(ExplanationSerializer(found).data)
