"""Undoing a whole run over the API: what it would take back, the undo itself, and who keeps hers (B-04)."""

from typing import Any

from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api import query
from loyalty.api.documentation import IDEMPOTENCY
from loyalty.api.idempotency import idempotent
from loyalty.models import Scope
from offers.api.mass_assignment import REFUSED, RunsView
from offers.api.mass_assignment_serializers import MassAssignmentSerializer
from offers.selectors import mass_assignment_undo as selectors
from offers.services import mass_assignment_undo as service
from offers.tasks import mass_assignment_undo as tasks


class UndoValues(serializers.Serializer[Any]):
    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=200, default="", help_text="Kept with each one that is taken back."
    )


class CountsSerializer(serializers.Serializer[Any]):
    """How many assignments of the run meet what, and what becomes of the codes of those that are taken back."""

    revoked = serializers.IntegerField(help_text="Taken back.")
    redeemed = serializers.IntegerField(help_text="Used, and may be used again: they stay.")
    used_up = serializers.IntegerField(help_text="Used up: they stay.")
    closed = serializers.IntegerField(help_text="Closed or declined before.")
    expired = serializers.IntegerField(help_text="Expired before.")
    revoked_before = serializers.IntegerField()
    returned = serializers.IntegerField(help_text="Codes that nobody saw: they go back to the bank.")
    burned = serializers.IntegerField(help_text="Codes that were shown: they are given to nobody again.")
    other = serializers.IntegerField(help_text="Codes that are void, or the till's own.")


class UndoSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(
        ["foreseen", "undoing", "undone"], help_text="`foreseen`: nobody asked for it; the counts are what it would do."
    )
    reason = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    percent = serializers.IntegerField(help_text="Whole percents, rounded down.")
    failed_chunks = serializers.IntegerField(help_text="Given up after three attempts; POST begins again with them.")
    counts = CountsSerializer()


class KeptSerializer(serializers.Serializer[Any]):
    member = serializers.CharField(source="external_id")
    assignment_id = serializers.UUIDField()
    reason = serializers.ChoiceField(["redeemed", "used_up"])


class KeptPageSerializer(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True, help_text="The cursor of the next page.")
    results = KeptSerializer(many=True)


class UndoMassAssignment(RunsView):
    scopes = {"GET": Scope.TARGETINGS, "POST": Scope.TARGETINGS}

    @extend_schema(operation_id="get_mass_assignment_undo", responses=UndoSerializer)
    def get(self, request: Request, run_id: int) -> Response:
        """Return what an undo would do now, or, once there is one, what it has done."""
        run = self.run(run_id)
        report = selectors.report(run=run)
        if report is None:
            counts, undo, percent, failed = selectors.foresee(run=run, now=clock.now()), None, 0, 0
        else:
            counts, undo, percent, failed = report.counts, report.undo, report.percent, len(report.failed)
        answer = {
            "state": "foreseen" if undo is None else "undone" if undo.finished_at else "undoing",
            "reason": undo.reason if undo else "",
            "started_at": undo.started_at if undo else None,
            "finished_at": undo.finished_at if undo else None,
            "percent": percent,
            "failed_chunks": failed,
            "counts": counts,
        }
        return Response(UndoSerializer(answer).data)

    @extend_schema(
        operation_id="undo_mass_assignment",
        request=UndoValues,
        responses={200: MassAssignmentSerializer, **REFUSED},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, run_id: int) -> Response:
        """Take everything back that the run gave and nobody used, in the background; seen codes are not given again."""
        given = UndoValues(data=self.body())
        given.is_valid(raise_exception=True)
        run = self.run(run_id)
        service.start(
            run=run, actor=None, api_client=self.client, now=clock.now(), reason=given.validated_data["reason"]
        )
        transaction.on_commit(lambda: tasks.ring(run.pk))
        return self.answer(run)


class KeptOfMassAssignment(RunsView):
    scopes = {"GET": Scope.TARGETINGS}

    @extend_schema(
        operation_id="list_mass_assignment_kept",
        responses=KeptPageSerializer,
        parameters=[
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", OpenApiTypes.INT, description="At most 1,000; 100 unless given."),
        ],
    )
    def get(self, request: Request, run_id: int) -> Response:
        """List the members whose offers an undo could not take back, because they had used them."""
        found, after = selectors.kept(
            run=self.run(run_id),
            after=query.whole(request, "cursor", default=0),
            size=query.whole(request, "limit", default=100, least=1, most=1_000),
        )
        following = str(after) if after is not None else None
        return Response({"next": following, "results": KeptSerializer(found, many=True).data})
