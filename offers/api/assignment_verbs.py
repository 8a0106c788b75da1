"""The verbs on one assignment for machines: revoke, undo, reissue, extend, close; and its timeline (B-06, B-18).

Each again is the same answer; a refusal is a 409 whose `code` says why.
"""

from datetime import date
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from pydantic_core import PydanticCustomError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema, refusal
from loyalty.api.idempotency import idempotent
from loyalty.errors import Conflict, NotFound
from loyalty.models import Scope
from offers.api.assignment import SOURCES, AssignmentsView
from offers.models import Source
from offers.models.outcome import OUTCOME_SENTENCES, VERB_REFUSALS
from offers.rules import moment
from offers.selectors import timeline
from offers.services import closing, extension, reissue, revocation
from offers.services.verb import By

REFUSED = refusal("The verb is refused; `code` says why.")


@extend_schema_field({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]})
class MomentField(serializers.Field[date, str, str, Any]):
    """A date, included to its end in the programme's zone, or a date and time."""

    default_error_messages = {
        "not_a_moment": "Write a date as 2026-12-31 or 2026-12-31T18:00:00+01:00, in the years 1900 to 2999."
    }

    def to_internal_value(self, data: Any) -> date:
        try:
            return moment.read(data)
        except PydanticCustomError:
            self.fail("not_a_moment")

    def to_representation(self, value: date) -> str:
        return value.isoformat()


class ReasonValues(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200, help_text="Kept with the assignment's history.")


class ReissueValues(ReasonValues):
    ends_at = MomentField(required=False, help_text="The new one's end; without it, as the offer has it.")


class ExtendValues(ReasonValues):
    ends_at = MomentField(help_text="The new end: later than the present one, within the offer's own period.")


class VerbAnswer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="What was done, or `already_…`: it was done before.")
    at = serializers.DateTimeField(required=False, help_text="When it was done.")
    ends_at = serializers.DateTimeField(required=False)
    assignment = serializers.UUIDField(required=False, help_text="The new assignment.")


class ChangeSchema(serializers.Serializer[Any]):
    field = serializers.CharField()
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class TimelineEntry(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="`issued`, a verb such as `extended`, `redeemed`, or `told` (the outbox).")
    at = serializers.DateTimeField()
    # DRF's own `source` is an argument of fields; a serializer has no use for it.
    source: Any = serializers.SerializerMethodField()
    actor = serializers.SerializerMethodField(help_text="The id of the person, where there was one.")
    api_client = serializers.CharField(source="api_client.name", allow_null=True, default=None)
    reason = serializers.CharField(allow_blank=True)
    changes = ChangeSchema(many=True)
    link = serializers.UUIDField(allow_null=True, help_text="The assignment that it replaces, or is replaced by.")
    details = serializers.DictField()

    @extend_schema_field(serializers.ChoiceField(sorted(SOURCES), allow_null=True))
    def get_source(self, entry: timeline.Entry) -> str | None:
        return entry.source.name.lower() if entry.source else None

    def get_actor(self, entry: timeline.Entry) -> int | None:
        return entry.actor.pk if entry.actor else None


class TimelineAnswer(serializers.Serializer[Any]):
    entries = TimelineEntry(many=True)


class VerbView(AssignmentsView):
    """What the verbs share: who did it, and how a refusal is answered."""

    scopes = {"POST": Scope.ASSIGNMENTS_WRITE}

    @property
    def who(self) -> By:
        return By(Source.API, api_client=self.client)

    def given(self, values: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        checked = values(data=self.body())
        checked.is_valid(raise_exception=True)
        found = dict(checked.validated_data)
        if "ends_at" in found:
            found["ends_at"] = moment.end(found["ends_at"], self.programme.zone)
        return found

    def refuse(self, code: str, problems: Any = (), **details: Any) -> Conflict:
        sentence = VERB_REFUSALS.get(code) or OUTCOME_SENTENCES[code]
        return Conflict(str(sentence), code=code, problems=problems, **details)


def _documented(operation: str, values: type[serializers.Serializer[Any]] | None) -> Any:
    return extend_schema(
        operation_id=f"{operation}_assignment",
        filters=False,
        request=values,
        responses={200: VerbAnswer, 404: ProblemSchema, 409: REFUSED, 422: ProblemSchema},
        parameters=[IDEMPOTENCY],
    )


class RevokeAssignment(VerbView):
    @_documented("revoke", ReasonValues)
    @idempotent
    def post(self, request: Request, assignment_id: UUID) -> Response:
        """Take the assignment back: its member no longer has it, and may be given the offer again."""
        answer = revocation.revoke(
            programme=self.programme,
            assignment_id=assignment_id,
            reason=self.given(ReasonValues)["reason"],
            now=clock.now(),
            by=By(Source.API, api_client=self.client),
        )
        if not answer.is_revoked:
            raise self.refuse(answer.code)
        return Response({"code": answer.code, "at": answer.revoked_at})


class UndoAssignment(VerbView):
    scopes = {"POST": Scope.ASSIGN}

    @_documented("undo", None)
    @idempotent
    def post(self, request: Request, assignment_id: UUID) -> Response:
        """Take back one's own grant of the last two minutes, without a reason."""
        answer = revocation.undo(programme=self.programme, assignment_id=assignment_id, by=self.who, now=clock.now())
        if not answer.is_revoked:
            raise self.refuse(answer.code)
        return Response({"code": answer.code, "at": answer.revoked_at})


class ReissueAssignment(VerbView):
    @_documented("reissue", ReissueValues)
    @idempotent
    def post(self, request: Request, assignment_id: UUID) -> Response:
        """Void an expired or lost assignment with its code, and give its member the same offer anew (B-06)."""
        given = self.given(ReissueValues)
        answer = reissue.reissue(
            programme=self.programme,
            assignment_id=assignment_id,
            reason=given["reason"],
            by=self.who,
            now=clock.now(),
            ends_at=given.get("ends_at"),
        )
        if not answer.is_reissued:
            problems = [reason.as_dict() for reason in answer.reasons]
            raise self.refuse(answer.code, problems, **_latest(answer.latest))
        return Response({"code": answer.code, "assignment": answer.assignment_id})


class ExtendAssignment(VerbView):
    @_documented("extend", ExtendValues)
    @idempotent
    def post(self, request: Request, assignment_id: UUID) -> Response:
        """Let the assignment end later, within the offer's period and its code's expiry."""
        given = self.given(ExtendValues)
        answer = extension.extend(
            programme=self.programme,
            assignment_id=assignment_id,
            ends_at=given["ends_at"],
            reason=given["reason"],
            by=self.who,
            now=clock.now(),
        )
        if not answer.is_extended:
            raise self.refuse(answer.code, **_latest(answer.latest))
        return Response({"code": answer.code, "ends_at": answer.ends_at})


class CloseAssignment(VerbView):
    @_documented("close", ReasonValues)
    @idempotent
    def post(self, request: Request, assignment_id: UUID) -> Response:
        """Close the assignment before it is used up; uses already made stay."""
        answer = closing.close(
            programme=self.programme,
            assignment_id=assignment_id,
            reason=self.given(ReasonValues)["reason"],
            by=self.who,
            now=clock.now(),
        )
        if not answer.is_closed:
            raise self.refuse(answer.code)
        return Response({"code": answer.code, "at": answer.closed_at})


class AssignmentTimeline(AssignmentsView):
    scopes = {"GET": Scope.ASSIGNMENTS_READ}

    @extend_schema(
        operation_id="get_assignment_timeline", filters=False, responses={200: TimelineAnswer, 404: ProblemSchema}
    )
    def get(self, request: Request, assignment_id: UUID) -> Response:
        """Return everything that happened to the assignment, oldest first; never a code (B-18, D-10)."""
        found = self.get_queryset().select_related("run", "actor").filter(pk=assignment_id).first()
        if found is None:
            raise NotFound("There is no such assignment.")
        return Response({"entries": TimelineEntry(timeline.timeline(assignment=found), many=True).data})


def _latest(latest: Any) -> dict[str, str]:
    return {"latest": latest.isoformat()} if latest else {}
