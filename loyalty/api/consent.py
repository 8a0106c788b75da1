"""`consents` and `channels`: what members agreed to, and the ways there are to reach them (S1-20, S3-14)."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema
from loyalty.api.idempotency import idempotent
from loyalty.api.view import ClientView
from loyalty.errors import InvalidInput
from loyalty.models import Channel, Member, Scope
from loyalty.selectors import consent as selectors
from loyalty.selectors import member as members
from loyalty.services import consent as service

STATES = ["given", "refused", "not_asked"]


class ChannelSerializer(serializers.ModelSerializer[Channel]):
    class Meta:
        model = Channel
        fields = ["code", "name", "address", "is_active"]


class ChannelValues(serializers.Serializer[Any]):
    """What may be given: a field left out stays as it is."""

    name = serializers.CharField(required=False, max_length=100)
    address = serializers.ChoiceField(Channel.Address.values, required=False, help_text="What it needs of a member.")
    is_active = serializers.BooleanField(required=False)


class ConsentState(serializers.Serializer[Any]):
    channel = serializers.CharField(source="channel.code")
    state = serializers.ChoiceField(STATES, source="word")
    changed_at = serializers.DateTimeField(allow_null=True, help_text="When she said so.")
    # Declared fields leave the class, so this hides nothing of the serializer's own.
    source = serializers.CharField()  # type: ignore[assignment]
    is_reachable = serializers.BooleanField(
        help_text="The channel is in use, she agreed, and the address that it needs is known."
    )


class ConsentStates(serializers.Serializer[Any]):
    member = serializers.CharField()
    consents = ConsentState(many=True)


class GivenConsent(serializers.Serializer[Any]):
    member = serializers.CharField(help_text="Her external id.")
    channel = serializers.CharField()
    is_granted = serializers.BooleanField()
    changed_at = serializers.DateTimeField(required=False, help_text="When she said so; without it, now.")


class GivenConsents(serializers.Serializer[Any]):
    consents = GivenConsent(many=True)


class WrittenConsents(serializers.Serializer[Any]):
    given = serializers.IntegerField()
    changed = serializers.IntegerField(help_text="How many were not so before.")


class Consents(ClientView):
    scopes = {"GET": Scope.CONSENTS, "POST": Scope.CONSENTS}

    @extend_schema(
        operation_id="get_consents",
        parameters=[OpenApiParameter("member", str, required=True, description="Her external id.")],
        responses={200: ConsentStates, 404: ProblemSchema, 422: ProblemSchema},
    )
    def get(self, request: Request) -> Response:
        """Return what a member agreed to, for each channel of the programme."""
        external_id = request.query_params.get("member", "")
        if not external_id:
            message = "Name the member: ?member=<external id>."
            problem = {"field": "member", "code": "missing", "message": message}
            raise InvalidInput(message, problems=[problem])
        member = members.find(programme=self.programme, external_id=external_id)
        if member.status == Member.Status.ERASED:
            raise members.MemberNotFound(_("There is no member with this external id."))
        states = ConsentState(selectors.of_member(member=member), many=True).data
        return Response({"member": member.external_id, "consents": states})

    @extend_schema(
        operation_id="put_consents",
        parameters=[IDEMPOTENCY],
        request=GivenConsents,
        responses={200: WrittenConsents, 422: ProblemSchema},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Note up to 1,000 consents and refusals. Each change is kept for ever, with its moment and this key."""
        consents = request.data.get("consents") if isinstance(request.data, Mapping) else None
        if not isinstance(consents, list):
            raise InvalidInput("Send an object with a list `consents`.", code="not_a_list")
        written = service.put(
            programme=self.programme, consents=consents, source="api", now=clock.now(), api_client=self.client
        )
        return Response(WrittenConsents(written).data)


class Channels(ClientView):
    scopes = {"GET": Scope.CONSENTS}

    @extend_schema(operation_id="list_channels", responses={200: ChannelSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """Return the programme's channels."""
        found = Channel.objects.filter(programme=self.programme)
        return Response(ChannelSerializer(found, many=True).data)


class OneChannel(ClientView):
    scopes = {"PUT": Scope.CATALOGUE_WRITE}

    @extend_schema(
        operation_id="put_channel",
        request=ChannelValues,
        responses={200: ChannelSerializer, 201: ChannelSerializer, 422: ProblemSchema},
    )
    def put(self, request: Request, code: str) -> Response:
        """Make a channel, or change what is given of one; one that is out of use reaches nobody."""
        channel, is_new = service.put_channel(
            programme=self.programme, code=code, values=self.body(), api_client=self.client
        )
        return Response(ChannelSerializer(channel).data, status=201 if is_new else 200)
