"""A promotion's members: assigned in bulk, withdrawn, listed, and chosen for by a machine (S2-01, S2-09, S2-10)."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema
from loyalty.api.idempotency import idempotent
from loyalty.api.pagination import NewestFirstCursor
from loyalty.errors import InvalidInput
from loyalty.models import Member
from loyalty.selectors import member as members
from offers.api.promotion import BY, PAGES, REFUSALS
from offers.api.promotion_list import ProductListView
from offers.api.view import refuse_unknown
from offers.models import PromotionEnrolment
from offers.selectors import promotion_enrolment as selectors
from offers.services import promotion_choice, promotion_enrolment


class EnrolmentSerializer(serializers.ModelSerializer[PromotionEnrolment]):
    member = serializers.CharField(source="member.external_id")
    kind = serializers.ChoiceField(Member.Kind.choices, source="member.kind")
    list = serializers.CharField(source="product_list.external_id")
    products = serializers.SerializerMethodField(help_text="What she chose, by external id, in the list's order.")

    class Meta:
        model = PromotionEnrolment
        fields = [
            "member", "kind", "list", "products", "assigned_at", "chosen_at", "locked_at", "withdrawn_at", "revision",
        ]  # fmt: skip

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_products(self, enrolment: PromotionEnrolment) -> Sequence[str]:
        return [choice.item.product.external_id for choice in enrolment.choices.all()]


class PromotionMembersValues(serializers.Serializer[Any]):
    members = serializers.ListField(
        child=serializers.CharField(max_length=200),
        min_length=1,
        max_length=promotion_enrolment.MOST_MEMBERS,
        help_text="External ids.",
    )


class AssignValues(PromotionMembersValues):
    leave_out_unknown = serializers.BooleanField(
        required=False, help_text="Enlist the others; without it nobody is where an id is not an active member's."
    )


class AssignedSchema(serializers.Serializer[Any]):
    assigned = serializers.IntegerField()
    replaced = serializers.IntegerField(help_text="Had another list of the promotion; what they chose of it is gone.")
    already_assigned = serializers.IntegerField(help_text="Had this list: nothing changed.")
    locked = serializers.IntegerField(help_text="Keep another list, for their choice of it is locked.")
    locked_members = serializers.ListField(child=serializers.CharField(), help_text="The first thousand of them.")
    left_out = serializers.IntegerField(help_text="Ids that are not an active member's.")


class WithdrawnSchema(serializers.Serializer[Any]):
    withdrawn = serializers.IntegerField()
    already_withdrawn = serializers.IntegerField()


class ChoiceValues(serializers.Serializer[Any]):
    products = serializers.ListField(
        child=serializers.CharField(max_length=200), help_text="All that she chooses, by external id, of her list."
    )
    revision = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text="Refuse with 409 choice_changed where another choice was made since this one.",
    )


class ListedProduct(serializers.Serializer[Any]):
    external_id = serializers.CharField(source="product.external_id")
    name = serializers.CharField(source="product.name")
    brand = serializers.CharField(source="product.brand", allow_blank=True)
    package_size = serializers.CharField(source="product.package_size", allow_blank=True)
    is_chosen = serializers.BooleanField()
    is_default = serializers.BooleanField(help_text="Counts while nothing is chosen.")


class ChoiceSchema(serializers.Serializer[Any]):
    """Her list with what she chose."""

    products = ListedProduct(source="lines", many=True)
    maximum = serializers.IntegerField(source="most", help_text="How many of them she may choose.")
    can_change = serializers.BooleanField(help_text="False once a choice is made that stays.")
    revision = serializers.IntegerField(source="enrolment.revision")
    assigned_at = serializers.DateTimeField(source="enrolment.assigned_at")
    chosen_at = serializers.DateTimeField(source="enrolment.chosen_at", allow_null=True)
    locked_at = serializers.DateTimeField(source="enrolment.locked_at", allow_null=True)
    withdrawn_at = serializers.DateTimeField(source="enrolment.withdrawn_at", allow_null=True)


def asked_choice(body: Any) -> dict[str, Any]:
    """Return what a body says of a choice, for the service. Raises with every problem of its shape."""
    refuse_unknown(body, ("products", "revision"))
    asked = ChoiceValues(data=body)
    asked.is_valid(raise_exception=True)
    return {"products": asked.validated_data["products"], "seen": asked.validated_data.get("revision")}


class PromotionMembersView(ProductListView):
    """What the views of a list's members share."""

    def known_of_members(self, *names: str) -> Any:
        """Return the body; its ids are checked, and named, by the service."""
        body = self.body()
        refuse_unknown(body, names)
        return body


class ListMembers(PromotionMembersView):
    @extend_schema(
        operation_id="list_promotion_list_members",
        responses={200: EnrolmentSerializer(many=True), 404: ProblemSchema, 422: ProblemSchema},
        parameters=[
            BY,
            OpenApiParameter("state", str, enum=selectors.STATES, description="Left out: whoever holds it."),
            *PAGES,
        ],
    )
    def get(self, request: Request, key: str, list_id: str) -> Response:
        """List who holds the list, with what they chose, the newest first."""
        found = self.product_list(key, list_id)
        state = request.query_params.get("state", "")
        if state not in ("", *selectors.STATES):
            message = f"`state` is one of: {', '.join(selectors.STATES)}."
            raise InvalidInput(message, problems=[{"field": "state", "code": "unknown_choice", "message": message}])
        pages = NewestFirstCursor()
        held = selectors.enrolments(promotion=found.promotion, product_list=found, state=state)
        page = pages.paginate_queryset(held, request, view=self)
        return pages.get_paginated_response(EnrolmentSerializer(page, many=True).data)

    @extend_schema(
        operation_id="assign_promotion_list",
        request=AssignValues,
        responses={200: AssignedSchema} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, key: str, list_id: str) -> Response:
        """Assign the list to up to 100,000 members; the same again changes nothing."""
        body = self.known_of_members("members", "leave_out_unknown")
        leaves_out = body.get("leave_out_unknown", False)
        if not isinstance(leaves_out, bool):
            problem = {"field": "leave_out_unknown", "code": "not_yes_or_no", "message": "Give true or false."}
            raise InvalidInput("Give true or false.", problems=[problem])
        done = promotion_enrolment.assign(
            product_list=self.product_list(key, list_id),
            members=body.get("members", []),
            leaves_out_unknown=leaves_out,
            by=self.acting,
            now=clock.now(),
        )
        return Response(AssignedSchema(done).data)


class WithdrawListMembers(PromotionMembersView):
    @extend_schema(
        operation_id="withdraw_promotion_list",
        request=PromotionMembersValues,
        responses={200: WithdrawnSchema} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, key: str, list_id: str) -> Response:
        """Take the promotion from members who hold this list, whatever they chose; the same again changes nothing."""
        found = self.product_list(key, list_id)
        done = promotion_enrolment.withdraw(
            promotion=found.promotion,
            product_list=found,
            members=self.known_of_members("members").get("members", []),
            by=self.acting,
            now=clock.now(),
        )
        return Response(WithdrawnSchema(done).data)


class MemberChoice(ProductListView):
    @extend_schema(
        operation_id="get_promotion_choice", responses={200: ChoiceSchema, 404: ProblemSchema}, parameters=[BY]
    )
    def get(self, request: Request, key: str, external_id: str) -> Response:
        """Return a member's list of this promotion with what she chose, also where it was taken from her."""
        return self.answer(self.enrolment(key, external_id))

    @extend_schema(
        operation_id="put_promotion_choice",
        request=ChoiceValues,
        responses={200: ChoiceSchema} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def put(self, request: Request, key: str, external_id: str) -> Response:
        """Choose for a member: all that she chooses; the same again changes nothing, locked or not."""
        asked = asked_choice(self.storable_body())
        found = self.enrolment(key, external_id)
        promotion_choice.choose(enrolment=found, by=self.acting, now=clock.now(), **asked)
        return self.answer(self.enrolment(key, external_id))

    def enrolment(self, key: str, external_id: str) -> PromotionEnrolment:
        member = members.find(programme=self.programme, external_id=external_id)
        return selectors.find(promotion=self.promotion(key), member_id=member.pk)

    def answer(self, enrolment: PromotionEnrolment) -> Response:
        [held] = selectors.held_of(enrolments=[enrolment], programme_id=self.programme.pk)
        return Response(ChoiceSchema(held).data)
