"""`promotions`: personalized promotions, made, changed, deleted or archived, and brought back (S2-04..08, S2-10)."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api import query
from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema
from loyalty.api.idempotency import idempotent, verb
from loyalty.api.pagination import NewestFirstCursor
from loyalty.models import Scope
from offers.api.view import OffersView
from offers.models import PersonalizedPromotion, Source
from offers.selectors import promotion as selectors
from offers.services import promotion as service
from offers.services.verb import By

BY = OpenApiParameter("by", str, enum=["backend_id", "id"], description="What the address carries.")
PAGES = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]
REFUSALS = {404: ProblemSchema, 409: ProblemSchema, 422: ProblemSchema}


class PromotionSerializer(serializers.ModelSerializer[PersonalizedPromotion]):
    lists = serializers.IntegerField(source="list_count", help_text="How many product lists it has.")
    enrolled = serializers.IntegerField(help_text="Members who hold it now.")
    chosen = serializers.IntegerField(help_text="Those of them who have chosen.")

    class Meta:
        model = PersonalizedPromotion
        fields = [
            "id", "public_id", *service.WRITABLE, "lists", "enrolled", "chosen", "archived_at", "created_at",
            "updated_at",
        ]  # fmt: skip


class PromotionValues(serializers.Serializer[Any]):
    """What may be given: documentation; the service checks, and names every problem at once."""

    name = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    backend_id = serializers.CharField(max_length=200, required=False, allow_null=True)
    maximum_distinct_products = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, allow_null=True, help_text="null: all of the list."
    )
    lock_after_first_apply = serializers.BooleanField(required=False, help_text="The first choice stays.")


class DeletedPromotion(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["deleted", "archived"], help_text="One that was ever assigned is archived.")
    enrolments = serializers.IntegerField(help_text="Members who keep it, with their lists and choices.")


class PromotionView(OffersView):
    """What the views of one promotion share."""

    scopes = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), Scope.PROMOTIONS)
    keys = ("backend_id", "id")

    @property
    def acting(self) -> By:
        return By(Source.API, api_client=self.client)

    def promotion(self, key: str) -> PersonalizedPromotion:
        """Return the promotion that the address names. Raises PromotionNotFound."""
        return selectors.find(programme=self.programme, by=self.by, key=key)


class Promotions(PromotionView):
    @extend_schema(
        operation_id="list_promotions",
        responses=PromotionSerializer(many=True),
        parameters=[
            OpenApiParameter("q", str, description="Words of name, description or BackendID."),
            OpenApiParameter("backend_id", str, description="How it begins."),
            OpenApiParameter("lock_after_first_apply", bool),
            OpenApiParameter("in_use", bool, description="Whether some member holds it."),
            OpenApiParameter("archived", bool, description="Those that are archived, instead of those that are not."),
            *PAGES,
        ],
    )
    def get(self, request: Request) -> Response:
        """List the promotions, the newest first."""
        found = selectors.promotions(
            programme=self.programme,
            text=request.query_params.get("q", ""),
            backend_id=request.query_params.get("backend_id", ""),
            is_locking=_asked(request, "lock_after_first_apply"),
            is_in_use=_asked(request, "in_use"),
            is_archived=query.flag(request, "archived"),
        )
        pages = NewestFirstCursor()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(PromotionSerializer(page, many=True).data)

    @extend_schema(
        operation_id="create_promotion",
        request=PromotionValues,
        responses={201: PromotionSerializer, 409: ProblemSchema, 422: ProblemSchema},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a promotion; its BackendID may be left out."""
        made = service.create(programme=self.programme, values=self.storable_body(), by=self.acting)
        return _answer(self, made, 201)


class OnePromotion(PromotionView):
    @extend_schema(
        operation_id="get_promotion", responses={200: PromotionSerializer, 404: ProblemSchema}, parameters=[BY]
    )
    def get(self, request: Request, key: str) -> Response:
        """Return one promotion, an archived one too."""
        return Response(PromotionSerializer(self.promotion(key)).data)

    @extend_schema(
        operation_id="put_promotion",
        request=PromotionValues,
        responses={200: PromotionSerializer, 201: PromotionSerializer} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def put(self, request: Request, key: str) -> Response:
        """Make it by its BackendID, or change the fields that are given; the same call again changes nothing."""
        if self.by == "id":
            return self.change(key)
        done = service.put(
            programme=self.programme, backend_id=key, values=self.storable_body(), by=self.acting, now=clock.now()
        )
        return _answer(self, done.promotion, 201 if done.is_created else 200)

    @extend_schema(
        operation_id="change_promotion",
        request=PromotionValues,
        responses={200: PromotionSerializer} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def patch(self, request: Request, key: str) -> Response:
        """Change the fields that are given of one that is there."""
        return self.change(key)

    @extend_schema(
        operation_id="delete_promotion",
        request=None,
        responses={200: DeletedPromotion, 404: ProblemSchema, 409: ProblemSchema},
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def delete(self, request: Request, key: str) -> Response:
        """Delete one that nobody was ever enlisted in; any other is archived, and who holds it keeps it."""
        done = service.delete(promotion=self.promotion(key), by=self.acting, now=clock.now())
        outcome = "archived" if done.is_archived else "deleted"
        return Response({"outcome": outcome, "enrolments": done.enrolments})

    def change(self, key: str) -> Response:
        done = service.update(
            promotion=self.promotion(key), values=self.storable_body(), by=self.acting, now=clock.now()
        )
        return _answer(self, done.promotion)


class RestorePromotion(PromotionView):
    @verb("restore_promotion", {200: PromotionSerializer} | REFUSALS)
    def post(self, request: Request, key: str) -> Response:
        """Bring an archived promotion back into use; again changes nothing."""
        found = self.promotion(key)
        service.restore(promotion=found, by=self.acting)
        return _answer(self, found)


def _asked(request: Request, name: str) -> bool | None:
    """Return a filter that may be true, false or not asked for."""
    return query.flag(request, name) if name in request.query_params else None


def _answer(view: PromotionView, promotion: PersonalizedPromotion, status: int = 200) -> Response:
    shown = selectors.find(programme=view.programme, by="id", key=str(promotion.pk))
    return Response(PromotionSerializer(shown).data, status=status)
