"""The API's own description, OpenAPI 3.1: for staff, and for everyone where the demo runs."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.negotiation import DefaultContentNegotiation

from loyalty.api.permissions import IsStaffOrDemo


class ProblemEntrySchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    field = serializers.CharField(required=False)
    rule = serializers.CharField(required=False)
    line = serializers.IntegerField(required=False)


class ProblemSchema(serializers.Serializer[Any]):
    """RFC 9457 problem details. `code` is stable; `detail` says what to do next."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    problems = ProblemEntrySchema(many=True, required=False)


# What endpoints that do a thing once share.
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key again: the same answer, done once."
)


def refusal(description: str) -> OpenApiResponse:
    """Return the description of a refused request's problem details."""
    return OpenApiResponse(ProblemSchema, description)


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "loyalty.api.authentication.ApiClientAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key <key>`; keys carry scopes and belong to one programme.",
        }


class MemberTokenScheme(OpenApiAuthenticationExtension):
    target_class = "loyalty.api.authentication.MemberTokenAuthentication"
    name = "memberToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A member's signed token."}


class TrustedServerScheme(OpenApiAuthenticationExtension):
    target_class = "loyalty.api.authentication.TrustedServerAuthentication"
    name = "trustedServer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key <key>` with the scope `act-for-member`, and `Laurel-Member: <external id>`.",
        }


class SchemaView(SpectacularJSONAPIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsStaffOrDemo]
    content_negotiation_class = DefaultContentNegotiation

    @extend_schema(exclude=True)
    def get(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)
