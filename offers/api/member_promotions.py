"""The member's own addresses of personalized promotions: `me/promotions` (S2-02, S2-06..08)."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from loyalty.api.view import MemberView
from loyalty.errors import InvalidInput
from loyalty.models import Member
from offers.api.promotion_member import ChoiceSchema, ChoiceValues, asked_choice
from offers.models import Source
from offers.selectors import promotion_enrolment as selectors
from offers.services import module, promotion_choice
from offers.services.verb import By

PRIVATE = {"Cache-Control": "private, no-store"}


class MyPromotionSchema(ChoiceSchema):
    id = serializers.UUIDField(source="promotion.public_id")
    name = serializers.CharField(source="promotion.name")
    description = serializers.CharField(source="promotion.description", allow_blank=True)
    lock_after_first_apply = serializers.BooleanField(source="promotion.lock_after_first_apply")


class MyPromotionsSchema(serializers.Serializer[Any]):
    promotions = MyPromotionSchema(many=True)


class MyPromotionsView(MemberView):
    @property
    def member(self) -> Member:
        """Return who asks. Raises OffersModuleOff where her programme works without offers (S4-41)."""
        found = Member.objects.select_related("programme").get(pk=self.caller.member_id)
        module.require(programme=found.programme)
        return found

    def held(self, promotion_id: UUID) -> selectors.Held:
        member = self.member
        return selectors.of_member_by_id(member_id=member.pk, programme_id=member.programme_id, public_id=promotion_id)


class MyPromotions(MyPromotionsView):
    @extend_schema(operation_id="list_my_promotions", responses={200: MyPromotionsSchema, 409: ProblemSchema})
    def get(self, request: Request) -> Response:
        """List the member's promotions with her lists and what she chose, the newest first."""
        found = {"promotions": selectors.of_member(member=self.member)}
        return Response(MyPromotionsSchema(found).data, headers=PRIVATE)


class MyPromotionProducts(MyPromotionsView):
    @extend_schema(
        operation_id="get_my_promotion_products",
        responses={200: MyPromotionSchema, 404: ProblemSchema, 409: ProblemSchema},
    )
    def get(self, request: Request, promotion_id: UUID) -> Response:
        """Return one of her promotions with the products that she may choose."""
        return Response(MyPromotionSchema(self.held(promotion_id)).data, headers=PRIVATE)

    @extend_schema(
        operation_id="put_my_promotion_products",
        request=ChoiceValues,
        responses={
            200: MyPromotionSchema, 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema, 422: ProblemSchema,
        },
    )  # fmt: skip
    def put(self, request: Request, promotion_id: UUID) -> Response:
        """Choose: all that she chooses; the same again changes nothing, locked or not."""
        if not isinstance(request.data, dict):
            raise InvalidInput("Send a JSON object.", code="not_an_object")
        asked = asked_choice(request.data)
        held = self.held(promotion_id)
        client = self.caller.api_client
        by = By(Source.API if client else None, api_client=client)
        promotion_choice.choose(enrolment=held.enrolment, by=by, now=clock.now(), **asked)
        return Response(MyPromotionSchema(self.held(promotion_id)).data, headers=PRIVATE)
