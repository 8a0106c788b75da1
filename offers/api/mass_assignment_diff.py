"""Going on from a run to new members over the API (B-03)."""

from uuid import uuid4

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.idempotency import verb
from loyalty.models import Scope
from offers.api.mass_assignment import REFUSED, RunsView
from offers.api.mass_assignment_serializers import DryRunSerializer, MassAssignmentSerializer
from offers.services import mass_assignment_diff as service


class DiffMassAssignment(RunsView):
    scopes = {"POST": Scope.TARGETINGS}

    @verb("diff_mass_assignment", {201: MassAssignmentSerializer, **REFUSED})
    def post(self, request: Request, run_id: int) -> Response:
        """Make a draft like this run, to the members who match now and are in none of its line's frozen audiences."""
        made = service.start(
            run=self.run(run_id), reference=uuid4(), actor=None, now=clock.now(), is_launched=False
        ).run
        return self.answer(made, status=201)


class DryRunDiffMassAssignment(RunsView):
    scopes = {"POST": Scope.TARGETINGS}

    @extend_schema(
        operation_id="dry_run_diff_mass_assignment",
        request=None,
        responses={200: DryRunSerializer, **REFUSED},
    )
    def post(self, request: Request, run_id: int) -> Response:
        """Count whom a run that goes on from this one would reach now. Writes nothing."""
        run = self.run(run_id)
        launch = {"programme": self.programme, "differs": bool(run.member_values)}
        found = service.dry_run(run=run, now=clock.now())
        return Response(DryRunSerializer(found, context={"launch": launch}).data)
