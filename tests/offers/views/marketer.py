"""A marketer before the pages of mass assignments: signs in, fills in, reads."""

import uuid

from django.test import Client

from loyalty import clock
from offers.models import MassAssignment
from offers.services import execution, mass_assignment
from tests.factories import UserFactory


def sign_in(programme, role="marketer") -> Client:
    client = Client()
    client.force_login(
        UserFactory(role=role, programmes=[programme]), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def filled_in(template, targeting, **values):
    return {
        "reference": str(uuid.uuid4()),
        "template": template.pk,
        "terms": "set",
        "targeting": targeting.pk,
        "version": targeting.current_version_id,
        "do": "launch",
    } | values


def a_run(template, targeting, **values) -> MassAssignment:
    return mass_assignment.create(
        programme=template.programme,
        template=template,
        targeting_version=targeting.current_version,
        name=values.pop("name", ""),
        campaign=None,
        terms={},
        rank=None,
        actor=None,
        now=clock.now(),
    )


def done(run) -> MassAssignment:
    mass_assignment.launch(run=run, actor=None, now=clock.now())
    return execution.run_to_end(run_id=run.pk, clock=clock.now)


def words(answer) -> str:
    return " ".join(answer.content.decode().split())
