"""Undoing runs in workers: rung, swept, ended (B-04, C-04)."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings

from loyalty import clock
from offers.models import MassAssignmentUndoChunk
from offers.services import mass_assignment_undo
from offers.tasks import mass_assignment_undo as tasks
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, plan_run, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(settings):
    settings.MASS_ASSIGNMENT_CHUNK = 2
    programme = ProgrammeFactory()
    MemberFactory.create_batch(5, programme=programme)
    run = work(plan_run(ConfigOfferFactory(programme=programme)))
    return mass_assignment_undo.start(run=run, actor=None, now=clock.now())


@pytest.fixture
def rung(monkeypatch):
    told: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda run_id, **_: told.append(run_id))
    return told


def test_b_04_a_worker_takes_all_back_and_says_undone(run, rung):
    tasks.work(run.pk)
    run.refresh_from_db()
    assert (run.state, rung) == ("undone", [])


def test_b_04_a_worker_gives_way_after_its_turn_and_rings_for_the_rest(run, rung, monkeypatch):
    monkeypatch.setattr(tasks, "TURN_SECONDS", -1)
    tasks.work(run.pk)
    assert (rung, run.undo.chunks.filter(done_at__isnull=False).count()) == ([run.pk], 1)


def test_b_04_the_sweeper_rings_where_nobody_is_at_work(run, rung):
    """C-04: a message that was lost, a worker that died; not for one at work, and not for what is undone."""
    tasks.sweep()
    assert rung == [run.pk]
    MassAssignmentUndoChunk.objects.filter(number=0).update(leased_until=clock.now() + timedelta(minutes=1))
    tasks.sweep()
    assert rung == [run.pk]
    MassAssignmentUndoChunk.objects.update(leased_until=clock.now() - timedelta(seconds=1), attempts=1)
    tasks.sweep()
    tasks.work(run.pk)
    tasks.sweep()
    assert rung == [run.pk] * 2


def test_b_04_its_messages_go_to_the_workers_of_runs_and_its_sweeper_is_scheduled():
    routes = django_settings.CELERY_TASK_ROUTES
    assert routes["offers.tasks.mass_assignment_undo.*"] == {"queue": "bulk"}
    scheduled = {entry["task"] for entry in django_settings.CELERY_BEAT_SCHEDULE.values()}
    assert tasks.sweep.name in scheduled
    assert tasks.work.name.startswith("offers.tasks.mass_assignment_undo.")
