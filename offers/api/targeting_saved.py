"""`targetings`: saved criteria with their versions; made, changed, archived and brought back (S4-24, S4-26)."""

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
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.targeting import TargetingView
from offers.api.view import unknown_fields
from offers.models import Targeting
from offers.selectors import targeting as selectors
from offers.selectors import targeting_catalogue, targeting_history, targeting_use
from offers.services import targeting as service
from offers.targeting import InvalidCriteria

REFUSALS = {403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema, 422: ProblemSchema}


class TargetingValues(serializers.Serializer[Any]):
    """What may be given: documentation; the service checks, and names every problem at once."""

    name = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(max_length=service.LONGEST_DESCRIPTION, required=False, allow_blank=True)
    criteria = serializers.JSONField(required=False, help_text="A tree; other targetings by id, as they are now.")


class TargetingChanges(TargetingValues):
    if_version = serializers.IntegerField(
        required=False, min_value=0, max_value=2**31 - 1, help_text="Refuse with 409 where it has another version now."
    )


class SavedTargetingSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    version = serializers.IntegerField(source="current_version.number", default=None, allow_null=True)
    criteria = serializers.JSONField(source="current_version.criteria", default=None, allow_null=True)
    sentence = serializers.SerializerMethodField(help_text="The criteria in words, or what is wrong with them since.")
    archived_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_sentence(self, targeting: Targeting) -> str:
        """Return what the context has for it: sentences are made for a whole page at once."""
        return str(self.context["sentences"][targeting.pk])


class TargetingVersionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    sentence = serializers.CharField()
    saved_by = serializers.CharField(help_text="A person, or a key's name.")
    created_at = serializers.DateTimeField()
    runs = serializers.SerializerMethodField(help_text="The mass assignments that used it.")

    def get_runs(self, version: targeting_history.Version) -> list[int]:
        return [run.pk for run in version.runs]


class UseSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["targeting", "offer", "schedule", "run"])
    id = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.IntegerField(
        allow_null=True, help_text="Which one a run or schedule keeps; null where it names this one within another."
    )


class TargetingWithVersionsSerializer(SavedTargetingSerializer):
    used_by = UseSerializer(many=True, help_text="What names it: while anything does it is not archived.")
    versions = TargetingVersionSerializer(many=True, help_text="The newest hundred, newest first.")


class SavedTargetingView(TargetingView):
    """What the views of saved targetings share."""

    def find(self, targeting_id: int) -> Targeting:
        """Return a targeting of the programme, archived ones too. Raises TargetingNotFound."""
        return selectors.find(programme=self.programme, targeting_id=targeting_id)

    def values(self, known: tuple[str, ...]) -> dict[str, Any]:
        """Return the body's values. Raises InvalidInput for unknown fields, null, and what nothing can keep."""
        body = dict(self.storable_body())
        problems = unknown_fields(body, known)
        problems += [
            {"field": name, "code": "null", "message": f"“{name}” cannot be null. Leave it out to keep it as it is."}
            for name in known
            if name in body and body[name] is None
        ]
        if problems:
            raise InvalidInput("Some fields are not acceptable.", problems=problems)
        return body

    def refuse_probing(self, criteria: Any) -> None:
        """Refuse criteria that name single members, of a key that may not read members; the service checks the rest."""
        try:
            checked = selectors.as_now(criteria, programme=self.programme)
        except InvalidCriteria:
            return
        self.require_members_for(checked)

    def answer(self, targeting: Targeting, status: int = 200) -> Response:
        """Answer with the targeting and its versions."""
        found = self.find(targeting.pk)
        versions = TargetingVersionSerializer(targeting_history.versions(found, most=100), many=True).data
        uses = UseSerializer(_uses(found), many=True).data
        return Response({**self.shown([found])[0], "used_by": uses, "versions": versions}, status=status)

    def shown(self, targetings: list[Targeting]) -> list[dict[str, Any]]:
        """Return targetings as they are sent."""
        context = {"sentences": targeting_catalogue.sentences(programme=self.programme, targetings=targetings)}
        return [dict(SavedTargetingSerializer(one, context=context).data) for one in targetings]


def _uses(targeting: Targeting) -> list[dict[str, Any]]:
    found = []
    for kind, one in targeting_use.of(targeting).each():
        version = getattr(one, "targeting_version", None)
        number = version.number if version and version.targeting_id == targeting.pk else None
        found.append({"kind": kind, "id": one.pk, "name": one.name, "version": number})
    return found


class SavedTargetings(SavedTargetingView):
    scopes = {"GET": Scope.TARGETINGS, "POST": Scope.TARGETINGS}

    @extend_schema(
        operation_id="list_targetings",
        responses=SavedTargetingSerializer(many=True),
        parameters=[
            OpenApiParameter("q", str, description="Words of the name or the description."),
            OpenApiParameter("archived", bool, description="Those that are archived, instead of those in use."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the saved targetings, the newest first."""
        found = selectors.listed(
            programme=self.programme,
            text=request.query_params.get("q", ""),
            is_archived=query.flag(request, "archived"),
        )
        pages = NewestFirstCursor()
        page = pages.paginate_queryset(found, request, view=self) or []
        return pages.get_paginated_response(self.shown(page))

    @extend_schema(
        operation_id="create_targeting",
        request=TargetingValues,
        responses={201: TargetingWithVersionsSerializer} | REFUSALS,
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Save criteria under a name, as version 1."""
        values = self.values(("name", "description", "criteria"))
        missing = [
            {"field": name, "code": "required", "message": f"“{name}” is missing. Give one."}
            for name in ("name", "criteria")
            if name not in values
        ]
        if missing:
            raise InvalidInput("Some fields are missing.", problems=missing)
        self.refuse_probing(values["criteria"])
        saved = service.create(programme=self.programme, actor=None, api_client=self.client, **values)
        return self.answer(saved, 201)


class OneSavedTargeting(SavedTargetingView):
    scopes = {"GET": Scope.TARGETINGS, "PATCH": Scope.TARGETINGS}

    @extend_schema(operation_id="get_targeting", responses={200: TargetingWithVersionsSerializer, 404: ProblemSchema})
    def get(self, request: Request, targeting_id: int) -> Response:
        """Return a saved targeting with its versions, archived ones too."""
        return self.answer(self.find(targeting_id))

    @extend_schema(
        operation_id="change_targeting",
        request=TargetingChanges,
        responses={200: TargetingWithVersionsSerializer} | REFUSALS,
    )
    def patch(self, request: Request, targeting_id: int) -> Response:
        """Change what is given; other criteria make a new version, and one of whatever names this targeting."""
        found = self.find(targeting_id)
        values = self.values(("name", "description", "criteria", "if_version"))
        seen = None
        if "if_version" in values:
            given = TargetingChanges(data={"if_version": values.pop("if_version")}, partial=True)
            given.is_valid(raise_exception=True)
            seen = service.Seen(version=given.validated_data["if_version"])
        if "criteria" in values:
            self.refuse_probing(values["criteria"])
        service.update(targeting=found, actor=None, api_client=self.client, seen=seen, **values)
        return self.answer(found)


class ArchiveTargeting(SavedTargetingView):
    @verb("archive_targeting", {200: TargetingWithVersionsSerializer} | REFUSALS)
    def post(self, request: Request, targeting_id: int) -> Response:
        """Take it out of use, unless something names it; archiving again changes nothing."""
        found = self.find(targeting_id)
        service.archive(targeting=found, actor=None, api_client=self.client, now=clock.now())
        return self.answer(found)


class UnarchiveTargeting(SavedTargetingView):
    @verb("unarchive_targeting", {200: TargetingWithVersionsSerializer} | REFUSALS)
    def post(self, request: Request, targeting_id: int) -> Response:
        """Bring it back into use, unless another one has its name; again changes nothing."""
        found = self.find(targeting_id)
        service.unarchive(targeting=found, actor=None, api_client=self.client)
        return self.answer(found)
