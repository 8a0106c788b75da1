"""`mass-assignments/{id}/approve` and `/decline`: a second key, or person, decides on a large run."""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY, refusal
from loyalty.api.idempotency import idempotent, verb
from loyalty.models import Scope
from offers.api.mass_assignment import RunsView
from offers.api.mass_assignment_serializers import MassAssignmentSerializer
from offers.services import run_approval
from offers.tasks import mass_assignment as tasks

REFUSED = {409: refusal("`not_approvable`: the run waits for no approval, or this key launched it.")}
ANSWERS = {200: MassAssignmentSerializer, **REFUSED}


class Decline(serializers.Serializer[object]):
    reason = serializers.CharField(max_length=500, help_text="For whoever launched it.")


class ApproveMassAssignment(RunsView):
    scopes = {"POST": Scope.APPROVE_RUNS}

    @verb("approve_mass_assignment", ANSWERS)
    def post(self, request: Request, run_id: int) -> Response:
        """Let a run go on that is too large for the one who launched it. Another key than the launching one does."""
        run = self.run(run_id)
        run_approval.approve(run=run, actor=None, api_client=self.client, now=clock.now())
        transaction.on_commit(lambda: tasks.ring(run.pk))
        return self.answer(run)


class DeclineMassAssignment(RunsView):
    scopes = {"POST": Scope.APPROVE_RUNS}

    @extend_schema(
        operation_id="decline_mass_assignment",
        request=Decline,
        responses=ANSWERS,
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, run_id: int) -> Response:
        """Cancel such a run, with a reason."""
        given = Decline(data=self.body())
        given.is_valid(raise_exception=True)
        run = self.run(run_id)
        reason = given.validated_data["reason"]
        run_approval.decline(run=run, reason=reason, actor=None, api_client=self.client, now=clock.now())
        return self.answer(run)
