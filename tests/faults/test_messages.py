"""Every message to the workers twice, in any order, or never; two beats: a run is done once, and to its end (C-04)."""

import random
import subprocess
import sys

import pytest
from django.db import connection

from loyalty import clock
from loyalty.models import OutboxEvent
from loyalty.tasks import outbox as outbox_tasks
from offers.models import MassAssignment
from offers.tasks import mass_assignment as tasks
from tests import instance, workers
from tests.faults import runs
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


class Post:
    """Stands where the broker was: keeps what was rung, to be delivered as a test likes."""

    def __init__(self):
        self.messages = []

    def ring(self, run_id, *, messages=1):
        self.messages += [run_id] * messages

    def take(self):
        taken, self.messages = self.messages, []
        return taken


@pytest.fixture
def post(monkeypatch, settings):
    settings.MASS_ASSIGNMENT_CHUNK = 10
    # Nobody dies here: a lease that ends while its holder is slow would cost a chunk an attempt.
    settings.MASS_ASSIGNMENT_LEASE_SECONDS = 60
    post = Post()
    monkeypatch.setattr(tasks, "ring", post.ring)
    return post


def is_over(run):
    run.refresh_from_db()
    return run.is_over


def test_every_message_twice_in_any_order_does_each_run_once(post):
    """C-04, issue 3: two runs, each message delivered twice, shuffled, four workers; a last ring changes nothing."""
    both = [runs.launched(120), runs.launched(80)]
    for run in both:
        post.ring(run.pk, messages=2)
    randomly = random.Random(7)
    for _ in range(20):
        taken = post.take() * 2
        randomly.shuffle(taken)
        at_once([lambda n=n, taken=taken: [tasks.work(run_id) for run_id in taken[n::4]] for n in range(4)])
        if not post.messages:
            break
    assert [is_over(run) for run in both] == [True, True]
    ended = list(MassAssignment.objects.order_by("pk").values("state", "finished_at", "eligible"))
    for run in both:
        tasks.work(run.pk)
    assert list(MassAssignment.objects.order_by("pk").values("state", "finished_at", "eligible")) == ended
    assert [one["state"] for one in ended] == ["finished", "finished"]
    assert [runs.counted(run) for run in both] == [(120, 120, 120), (80, 80, 80)]


def test_messages_that_never_arrive_are_made_up_for_by_the_sweeper(post):
    """C-04, R6, issue 3: launched and never rung, then every other message lost; sweeping alone ends it."""
    run = runs.launched(60)
    for turn in range(40):
        tasks.sweep()
        taken = post.take()
        if is_over(run):
            break
        assert taken == [run.pk]
        if turn % 2:
            # What a worker does that is stopped after one chunk; its message is lost with it.
            tasks.execution.plan(run_id=run.pk, now=clock.now())
            tasks.execution.do_next_chunk(run_id=run.pk, now=clock.now())
            if not run.chunks.filter(done_at__isnull=True).exists():
                tasks.execution.finish(run_id=run.pk, now=clock.now())
    assert (run.state, runs.counted(run)) == ("finished", (60, 60, 60))
    tasks.sweep()
    assert post.take() == []


def test_two_sweepers_and_two_relays_at_once_change_nothing_that_one_would_not(post):
    """R11, issue 3: what two beats ring, all at the same time, over and over."""
    run = runs.launched(200)

    def beat():
        for _ in range(8):
            tasks.sweep()
            outbox_tasks.relay()

    def worker():
        for _ in range(8):
            tasks.work(run.pk)

    at_once([beat, beat, worker, worker])
    tasks.work(run.pk)
    outbox_tasks.relay()
    assert is_over(run)
    assert runs.counted(run) == (200, 200, 200)
    events = OutboxEvent.objects.count()
    assert sorted(OutboxEvent.objects.values_list("position", flat=True)) == list(range(1, events + 1))


@pytest.mark.chaos
def test_two_real_beats_and_two_real_workers_end_a_run_that_nobody_rang(tmp_path, fault):
    """R11, issue 3: processes of Celery; the run is launched in the database alone, and beat's sweep finds it."""
    run = runs.launched(20_000)
    environment = instance.process_environment()
    beats = []
    try:
        for n in range(2):
            with (tmp_path / f"beat-{n}.log").open("w") as log:
                beats.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "celery", "-A", "loyalty", "beat", "--pidfile="],
                        cwd=instance.BASE,
                        env=environment,
                        stdout=log,
                        stderr=log,
                    )
                )
        small = {"MASS_ASSIGNMENT_CHUNK": 500, "queues": "bulk,interactive"}
        with workers.worker(tmp_path, **small), workers.worker(tmp_path, **small):
            workers.wait(lambda: is_over(run), seconds=120, what="beat's sweep to bring the run to its end")
            told = OutboxEvent.objects.filter(position__isnull=True)
            workers.wait(lambda: not told.exists(), seconds=60, what="the relay")
    finally:
        for beat in beats:
            beat.kill()
            beat.wait(10)
        connection.close()
    assert (run.state, runs.counted(run)) == ("finished", (20_000, 20_000, 20_000))
    fault.counted(
        "two beats and two workers, processes of Celery †",
        before="20,000 members and codes, nobody rang",
        after="{:,} assignments, {:,} members, {:,} codes".format(*runs.counted(run)),
    )
