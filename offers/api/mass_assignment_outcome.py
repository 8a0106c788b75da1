"""A run's members over the API: what became of each, by cursor, and as files (S4-27, B-03)."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock, table_export
from loyalty.api import query
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.mass_assignment import RunsView
from offers.api.mass_assignment_serializers import OutcomesSerializer, ReachedSerializer
from offers.filters.outcome import OutcomeFilter
from offers.selectors import audience as audiences
from offers.services import outcome_export

WANTED = [
    OpenApiParameter("outcome", str, enum=sorted(audiences.LABELS)),
    OpenApiParameter("since", str, enum=sorted(audiences.SINCE_LABELS), description="What became of it since."),
    OpenApiParameter("text", str, description="A piece of the member's external id."),
]


class OutcomesView(RunsView):
    scopes = {"GET": Scope.TARGETINGS}

    @property
    def wanted(self) -> audiences.Wanted:
        found = OutcomeFilter(self.request.query_params)
        if found.wanted is None:
            problems = [
                {"field": field, "code": "invalid", "message": " ".join(map(str, errors))}
                for field, errors in found.form.errors.items()
            ]
            raise InvalidInput(" ".join(problem["message"] for problem in problems), problems=problems)
        return found.wanted


class MassAssignmentOutcomes(OutcomesView):
    @extend_schema(
        operation_id="list_mass_assignment_outcomes",
        responses=OutcomesSerializer,
        parameters=[
            *WANTED,
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", OpenApiTypes.INT, description="At most 1,000; 100 unless given."),
        ],
    )
    def get(self, request: Request, run_id: int) -> Response:
        """List the frozen audience with what became of each member, by cursor."""
        page = audiences.page(
            run=self.run(run_id),
            now=clock.now(),
            wanted=self.wanted,
            after=query.whole(request, "cursor", default=0),
            size=query.whole(request, "limit", default=100, least=1, most=1_000),
        )
        following = str(page.after) if page.after is not None else None
        return Response({"next": following, "results": ReachedSerializer(page.members, many=True).data})


class ExportMassAssignmentOutcomes(OutcomesView):
    @extend_schema(
        operation_id="export_mass_assignment_outcomes",
        responses={(200, media.partition(";")[0]): OpenApiTypes.BINARY for media in table_export.MEDIA.values()},
        parameters=WANTED,
    )
    def get(self, request: Request, run_id: int, file_format: Any) -> Any:
        """Stream the same as a file, whatever its size: one line a member, never a code; the export is audited."""
        return outcome_export.export(
            run=self.run(int(run_id)),
            wanted=self.wanted,
            file_format=file_format,
            now=clock.now(),
            api_client=self.client,
        )
