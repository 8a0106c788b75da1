"""What tills ask: confirm assignments, and whose a code is (S4-06..15, S4-37, D-12, D-13)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema
from loyalty.api.idempotency import idempotent
from loyalty.errors import Conflict, NotFound
from loyalty.models import Scope
from offers.api.assignment import AssignmentSerializer
from offers.api.view import OffersView
from offers.models import Source
from offers.selectors import code_lookup
from offers.services import synchronization
from offers.services.synchronization import Confirmation
from offers.services.verb import By

SENTENCES = {
    "ambiguous_code": "Several offers have this code. Name the offer.",
    "member_required": "This code works only for the member it was given to. Send the member's external id.",
    "another_members": "This code was given to another member.",
    "code_void": "This code is void.",
    "code_expired": "This code is over.",
    "used_up": "This offer is used up.",
    "revoked": "This offer was taken back.",
    "closed": "This offer is closed.",
    "expired": "This offer is over.",
    "waiting_for_till": "The till has not confirmed this assignment yet.",
    "waiting_for_acceptance": "The member has to accept this offer first.",
    "upcoming": "This offer has not begun yet.",
}


class ConfirmationValues(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="The Personalized Offer ID.")
    code = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        trim_whitespace=False,
        help_text="A code that the till made, for an offer without vouchers of its own (S4-13).",
    )


class SynchronizeValues(serializers.Serializer[Any]):
    assignments = serializers.ListField(child=ConfirmationValues(), allow_empty=False, max_length=synchronization.MOST)


class ConfirmedAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    outcome = serializers.ChoiceField(
        [
            "synchronized",
            "already_synchronized",
            "not_found",
            "named_twice",
            "revoked",
            "closed",
            "used_up",
            "code_not_wanted",
            "invalid_code",
            "code_taken",
        ]
    )


class SynchronizeAnswer(serializers.Serializer[Any]):
    results = ConfirmedAnswer(many=True, help_text="In the order of the request.")


class SynchronizeAssignments(OffersView):
    scopes = {"POST": Scope.TILL}

    @extend_schema(
        operation_id="synchronize_assignments",
        request=SynchronizeValues,
        responses={200: SynchronizeAnswer, 422: ProblemSchema},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Confirm up to 1,000 assignments, each answered for itself; from then on they can be used."""
        values = SynchronizeValues(data=self.body())
        values.is_valid(raise_exception=True)
        answers = synchronization.synchronize(
            programme=self.programme,
            confirmations=[Confirmation(each["id"], each.get("code")) for each in values.validated_data["assignments"]],
            by=By(Source.API, api_client=self.client),
            now=clock.now(),
        )
        return Response({"results": [{"id": each.assignment_id, "outcome": each.code} for each in answers]})


class CodeValues(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=100, trim_whitespace=False)
    member = serializers.CharField(required=False, max_length=200, help_text="External id; a bearer's code needs none.")
    offer = serializers.CharField(required=False, max_length=100, help_text="Offer reference.")


class LookUpCode(OffersView):
    """A POST, so that no code stands in an address or a log."""

    scopes = {"POST": Scope.TILL}

    @extend_schema(
        operation_id="look_up_code",
        request=CodeValues,
        responses={200: AssignmentSerializer, 404: ProblemSchema, 409: ProblemSchema, 422: ProblemSchema},
    )
    def post(self, request: Request) -> Response:
        """Return the assignment that a usable code belongs to; why not is a 409 whose `code` says so (D-13)."""
        values = CodeValues(data=self.body())
        values.is_valid(raise_exception=True)
        given, now = values.validated_data, clock.now()
        found = code_lookup.by_code(
            programme=self.programme,
            code=given["code"],
            member=given.get("member"),
            offer=given.get("offer"),
            now=now,
        )
        if found.code == "unknown_code":
            raise NotFound("There is no assignment with this code.", code="unknown_code")
        if not found.is_usable:
            raise Conflict(SENTENCES[found.code], code=found.code)
        return Response(AssignmentSerializer(found.assignment, context={"now": now}).data)
