"""`members`: written from outside by external id, one or up to a thousand at once."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from loyalty.api.idempotency import idempotent
from loyalty.api.view import ClientView
from loyalty.errors import InvalidInput
from loyalty.models import Member, Scope
from loyalty.selectors import member as members
from loyalty.services import member as service

STATUSES = ["active", "inactive"]


class MemberSerializer(serializers.ModelSerializer[Member]):
    class Meta:
        model = Member
        fields = [
            "external_id",
            "first_name",
            "last_name",
            "email",
            "phone",
            "birth_date",
            "gender",
            "language",
            "timezone",
            "city",
            "country",
            "tier",
            "status",
            "kind",
            "joined_at",
            "attributes",
            "created_at",
            "updated_at",
        ]


class MemberValues(serializers.Serializer[Any]):
    """What may be given: a field left out stays, null empties it. The service checks, and names every problem."""

    first_name = serializers.CharField(required=False, max_length=100, allow_null=True)
    last_name = serializers.CharField(required=False, max_length=100, allow_null=True)
    email = serializers.EmailField(required=False, allow_null=True)
    phone = serializers.CharField(required=False, max_length=40, allow_null=True)
    birth_date = serializers.DateField(required=False, allow_null=True)
    gender = serializers.CharField(required=False, max_length=20, allow_null=True)
    language = serializers.CharField(required=False, max_length=8, allow_null=True)
    timezone = serializers.CharField(required=False, max_length=64, allow_null=True)
    city = serializers.CharField(required=False, max_length=100, allow_null=True)
    country = serializers.CharField(required=False, max_length=2, allow_null=True)
    tier = serializers.CharField(required=False, max_length=40, allow_null=True)
    status = serializers.ChoiceField(STATUSES, required=False)
    kind = serializers.ChoiceField(Member.Kind.choices, required=False)
    joined_at = serializers.DateTimeField(required=False, allow_null=True)
    attributes = serializers.DictField(required=False, help_text="By name, as they are defined; null takes one away.")


class NamedMemberValues(MemberValues):
    external_id = serializers.CharField(max_length=200)


class MembersValues(serializers.Serializer[Any]):
    members = NamedMemberValues(many=True, help_text="At most 1,000; all are written, or none.")


class WrittenMember(serializers.Serializer[Any]):
    external_id = serializers.CharField()
    is_created = serializers.BooleanField()


class WrittenMembers(serializers.Serializer[Any]):
    members = WrittenMember(many=True)


class Members(ClientView):
    scopes = {"POST": Scope.MEMBERS}

    @extend_schema(
        operation_id="put_members",
        request=MembersValues,
        responses={200: WrittenMembers, 409: ProblemSchema, 422: ProblemSchema},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Create or change many members: all of them, or none and every problem."""
        members = request.data.get("members") if isinstance(request.data, Mapping) else None
        if not isinstance(members, list):
            raise InvalidInput("Send an object with a list `members`.", code="not_a_list")
        written = service.put(programme=self.programme, members=members, now=clock.now(), api_client=self.client)
        return Response({"members": WrittenMember(written, many=True).data})


class OneMember(ClientView):
    scopes = {"GET": Scope.MEMBERS, "PUT": Scope.MEMBERS}

    @extend_schema(operation_id="get_member", responses={200: MemberSerializer, 404: ProblemSchema})
    def get(self, request: Request, external_id: str) -> Response:
        """Return one member."""
        return Response(MemberSerializer(self.found(external_id)).data)

    @extend_schema(
        operation_id="put_member",
        request=MemberValues,
        responses={200: MemberSerializer, 201: MemberSerializer, 422: ProblemSchema},
    )
    def put(self, request: Request, external_id: str) -> Response:
        """Create the member, or change the fields that are given; the same call again changes nothing."""
        [written] = service.put(
            programme=self.programme,
            members=[{**self.body(), "external_id": external_id}],
            now=clock.now(),
            api_client=self.client,
        )
        return Response(
            MemberSerializer(self.found(external_id)).data,
            status=201 if written.is_created else 200,
        )

    def found(self, external_id: str) -> Member:
        return members.find(programme=self.programme, external_id=external_id)
