"""`stores`: written from outside by external id."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.documentation import ProblemSchema
from loyalty.api.view import ClientView
from loyalty.errors import NotFound
from loyalty.models import Scope, Store
from loyalty.services import store as service


class StoreSerializer(serializers.ModelSerializer[Store]):
    class Meta:
        model = Store
        fields = ["external_id", "name", "city", "timezone"]


class StoreValues(serializers.Serializer[Any]):
    """What may be given: a field left out stays, null empties it. A new store needs a name."""

    name = serializers.CharField(required=False, max_length=200)
    city = serializers.CharField(required=False, max_length=100, allow_null=True)
    timezone = serializers.CharField(required=False, max_length=64, allow_null=True)


class OneStore(ClientView):
    scopes = {"GET": Scope.CATALOGUE_READ, "PUT": Scope.CATALOGUE_WRITE}

    @extend_schema(operation_id="get_store", responses={200: StoreSerializer, 404: ProblemSchema})
    def get(self, request: Request, external_id: str) -> Response:
        """Return one store."""
        store = Store.objects.filter(programme=self.programme, external_id=external_id).first()
        if store is None:
            raise NotFound("There is no store with this external id.", code="unknown_store")
        return Response(StoreSerializer(store).data)

    @extend_schema(
        operation_id="put_store",
        request=StoreValues,
        responses={200: StoreSerializer, 201: StoreSerializer, 422: ProblemSchema},
    )
    def put(self, request: Request, external_id: str) -> Response:
        """Make the store, or change the fields that are given; the same call again changes nothing."""
        store, is_new = service.put(
            programme=self.programme, external_id=external_id, values=self.body(), api_client=self.client
        )
        return Response(StoreSerializer(store).data, status=201 if is_new else 200)
