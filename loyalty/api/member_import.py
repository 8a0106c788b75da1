"""`members/imports`: members and their attributes by file, checked before they are imported, and taken back."""

import io
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api import query
from loyalty.api.documentation import ProblemSchema
from loyalty.api.parsers import JsonParser
from loyalty.api.tables import TABLE_PARSERS, Upload
from loyalty.api.view import ClientView
from loyalty.models import MemberImport, Scope
from loyalty.selectors import member_import as selectors
from loyalty.services import member_import as service
from loyalty.services import member_import_undo
from loyalty.tasks import member_import as task

MOST_PROBLEMS = 1000
ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".xlsx")


class ImportProblem(serializers.Serializer[Any]):
    line = serializers.IntegerField(allow_null=True, help_text="Null: the whole file.")
    field = serializers.CharField()
    code = serializers.CharField()
    value = serializers.CharField()
    message = serializers.CharField()


class MemberImportSerializer(serializers.ModelSerializer[MemberImport]):
    problems = serializers.SerializerMethodField()

    class Meta:
        model = MemberImport
        fields = [
            "id",
            "file_name",
            "state",
            "rows",
            "created",
            "changed",
            "unchanged",
            "consents",
            "refused",
            "problem_count",
            "problems",
            "received_at",
            "imported_at",
            "undone_at",
            "dropped_at",
            "removed",
            "deactivated",
            "restored",
            "kept",
        ]

    def get_problems(self, made: MemberImport) -> list[dict[str, Any]]:
        """The first thousand, by line; `offset` leads on."""
        first = self.context.get("offset", 0)
        found = selectors.problems(member_import=made)[first : first + MOST_PROBLEMS]
        return [selectors.said(one) for one in found]


FILES: dict[str, Any] = dict.fromkeys((parser.media_type for parser in TABLE_PARSERS), OpenApiTypes.BINARY)
ANSWERS = {200: MemberImportSerializer, 202: MemberImportSerializer, 404: ProblemSchema, 409: ProblemSchema}


def answered(made: MemberImport, *, status: int = 200, offset: int = 0) -> Response:
    """Answer with the import; 202 while it waits for a worker."""
    data = MemberImportSerializer(made, context={"offset": offset}).data
    return Response(data, status=202 if made.is_waiting else status)


class MemberImports(ClientView):
    scopes = {"POST": Scope.MEMBERS}
    parser_classes: list[type[BaseParser]] = [*TABLE_PARSERS]

    @extend_schema(
        operation_id="import_members",
        parameters=[
            OpenApiParameter("dry_run", bool, description="Say what would be done, and do nothing yet."),
            OpenApiParameter("file_name", str, description="Shown in the list; its ending says the format too."),
        ],
        request=FILES,
        responses={201: MemberImportSerializer, 202: MemberImportSerializer, 413: ProblemSchema, 422: ProblemSchema},
    )
    def post(self, request: Request) -> Response:
        """Import a file of members, or check it. A file above 4 MiB is answered 202: ask for it until it is done.

        A file with a problem changes nothing: its state is `refused`, and `problems` names each by line and field.
        """
        is_dry_run = query.flag(request, "dry_run")
        data: Any = request.data
        # Without a body the framework does not ask the parser.
        upload = data if isinstance(data, Upload) else Upload(io.BytesIO(), "body.csv")
        name = request.query_params.get("file_name", "")
        ending = upload.file_name.removeprefix("body")
        file_name = name if name.lower().endswith(ENDINGS) else f"{name or 'members'}{ending}"
        with upload.file as file:
            made = service.receive(
                programme=self.programme,
                file=file,
                file_name=file_name,
                wish=MemberImport.Wish.CHECK if is_dry_run else MemberImport.Wish.IMPORT,
                now=clock.now(),
                api_client=self.client,
            )
        return answered(task.do(made), status=201)


class OneMemberImport(ClientView):
    scopes = {"GET": Scope.MEMBERS}

    @extend_schema(
        operation_id="get_member_import",
        parameters=[OpenApiParameter("offset", int, description="How many problems to pass over.")],
        responses=ANSWERS,
    )
    def get(self, request: Request, import_id: int) -> Response:
        """Return an import: its state, what it did or would do, and what is wrong."""
        made = selectors.get(programme=self.programme, import_id=import_id)
        return answered(made, offset=query.whole(request, "offset", default=0, most=2**31 - 1))


class MemberImportVerb(ClientView):
    scopes = {"POST": Scope.MEMBERS}
    parser_classes = [JsonParser]

    def found(self, import_id: int) -> MemberImport:
        return selectors.get(programme=self.programme, import_id=import_id)


class StartMemberImport(MemberImportVerb):
    @extend_schema(operation_id="start_member_import", request=None, responses=ANSWERS)
    def post(self, request: Request, import_id: int) -> Response:
        """Import a file that was checked."""
        made = service.start(member_import=self.found(import_id), actor=None, api_client=self.client)
        return answered(task.do(made))


class UndoMemberImport(MemberImportVerb):
    @extend_schema(operation_id="undo_member_import", request=None, responses=ANSWERS)
    def post(self, request: Request, import_id: int) -> Response:
        """Take an import back; what could not be taken back is among the problems. Again is the same."""
        made = member_import_undo.begin(
            member_import=self.found(import_id), actor=None, now=clock.now(), api_client=self.client
        )
        return answered(task.do(made))
