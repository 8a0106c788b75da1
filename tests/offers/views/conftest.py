"""What the pages of mass assignments are tested with."""

import pytest

from offers.tasks import mass_assignment as tasks
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, TargetingFactory


@pytest.fixture
def rung(monkeypatch):
    """Note who would be rung for, instead of ringing the workers."""
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: told.append(run_id))
    return told


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def coffee(programme):
    return ConfigOfferFactory(programme=programme, name="Coffee")


@pytest.fixture
def everyone(programme):
    MemberFactory.create_batch(3, programme=programme)
    return TargetingFactory(programme=programme, name="Everyone")
