"""`member-lists`: members named by a file or by their ids, for audiences and for values of each one's own (issue 4)."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.documentation import ProblemSchema
from loyalty.api.parsers import JsonParser
from loyalty.api.tables import TABLE_PARSERS, Upload
from loyalty.models import Scope
from offers.api.view import OffersView
from offers.models import MassAssignment, MemberList
from offers.selectors import member_list as selectors
from offers.selectors import member_list_use
from offers.services import member_list as service

# Of one request; more come as a table.
MOST_IDS = 100_000
# Of the lines left out, so many stand in an answer.
SHOWN = 1000


class IdsRequest(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    members = serializers.ListField(
        child=serializers.CharField(max_length=200), min_length=1, max_length=MOST_IDS, help_text="External ids."
    )


class MemberListSerializer(serializers.ModelSerializer[MemberList]):
    members = serializers.IntegerField(source="size")

    class Meta:
        model = MemberList
        fields = ["id", "name", "members", "lines", "unknown", "repeated", "columns", "created_at", "archived_at"]


class LeftOutSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="In the file, or the place in `members` and one more, from 2.")
    why = serializers.CharField(source="kind", help_text="unknown, empty or repeated.")
    id = serializers.CharField(source="external_id")
    first_line = serializers.IntegerField(allow_null=True)


class NamedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class NamedRunSerializer(NamedSerializer):
    state = serializers.CharField()
    takes_values = serializers.SerializerMethodField(help_text="Rule values come from its columns.")

    def get_takes_values(self, run: MassAssignment) -> bool:
        return run.pk in self.context["taking"]


class UsedBySerializer(serializers.Serializer[Any]):
    """The newest twenty of each kind, and how many there are."""

    targetings = NamedSerializer(many=True)
    targeting_count = serializers.IntegerField()
    mass_assignments = NamedRunSerializer(source="runs", many=True)
    mass_assignment_count = serializers.IntegerField(source="run_count")
    run_schedules = NamedSerializer(source="schedules", many=True)
    run_schedule_count = serializers.IntegerField(source="schedule_count")


class MemberListDetailSerializer(MemberListSerializer):
    used_by = serializers.SerializerMethodField(
        help_text="Audiences in use that name it, runs of any state and schedules that are not over."
    )
    left_out = serializers.SerializerMethodField(help_text="The first thousand lines that added nobody.")

    class Meta(MemberListSerializer.Meta):
        fields = [*MemberListSerializer.Meta.fields, "used_by", "left_out"]

    @extend_schema_field(UsedBySerializer)
    def get_used_by(self, member_list: MemberList) -> Any:
        uses = member_list_use.of(member_list)
        return UsedBySerializer(uses, context={"taking": uses.taking}).data

    @extend_schema(responses=LeftOutSerializer(many=True))
    def get_left_out(self, member_list: MemberList) -> list[dict[str, Any]]:
        return list(LeftOutSerializer(selectors.left_out(member_list)[:SHOWN], many=True).data)


class MemberLists(OffersView):
    scopes = {"GET": Scope.TARGETINGS, "POST": Scope.TARGETINGS}
    parser_classes = [JsonParser, *TABLE_PARSERS]

    @extend_schema(operation_id="list_member_lists", responses=MemberListSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the lists in use, the newest first."""
        return Response(MemberListSerializer(selectors.saved(self.programme)[:SHOWN], many=True).data)

    @extend_schema(
        operation_id="upload_member_list",
        request={
            "application/json": IdsRequest,
            **{parser.media_type: OpenApiTypes.BINARY for parser in TABLE_PARSERS},
        },
        parameters=[
            OpenApiParameter("name", str, description="Of a table: what the list is called."),
            OpenApiParameter("column", str, description="Of a table: which column holds the members' external ids."),
        ],
        responses={201: MemberListDetailSerializer, 409: ProblemSchema, 413: ProblemSchema, 422: ProblemSchema},
    )
    def post(self, request: Request) -> Response:
        """Keep the members that a table or a JSON object names. Ids that nobody has are reported and left out."""
        if isinstance(request.data, Upload):
            upload = request.data
            name, column = (request.query_params.get(key, "") for key in ("name", "column"))
        else:
            asked = IdsRequest(data=self.body())
            asked.is_valid(raise_exception=True)
            upload = Upload(service.of_ids(asked.validated_data["members"]), "body.csv")
            name, column = asked.validated_data["name"], ""
        with upload:
            made = service.upload(
                programme=self.programme,
                name=name,
                column=column,
                file=upload.file,
                file_name=upload.file_name,
                actor=None,
                api_client=self.client,
            )
        return Response(MemberListDetailSerializer(made).data, status=201)


class OneMemberList(OffersView):
    scopes = {"GET": Scope.TARGETINGS}

    @extend_schema(operation_id="get_member_list", responses={200: MemberListDetailSerializer, 404: ProblemSchema})
    def get(self, request: Request, pk: int) -> Response:
        """Return one list, with where it is used, and the lines that added nobody."""
        return Response(MemberListDetailSerializer(selectors.get(programme=self.programme, pk=pk)).data)
