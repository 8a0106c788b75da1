"""The outbox's positions: without a gap, in the order of commits, and safe to hand out twice (DESIGN 5, S4-37)."""

import threading

import pytest
from django.db import connection, transaction

from loyalty.models import OutboxEvent
from loyalty.services import outbox
from loyalty.tasks import outbox as tasks
from tests.concurrency.test_last_codes import at_once
from tests.factories import ProgrammeFactory

pytestmark = pytest.mark.django_db(transaction=True)


def positions() -> list[int | None]:
    return list(OutboxEvent.objects.order_by("id").values_list("position", flat=True))


def relay(limit=1000) -> int:
    with transaction.atomic():
        return outbox.relay(limit=limit)


def test_positions_begin_at_1_and_go_on_where_they_stopped():
    """DESIGN 5: a relay that is rung again stamps what is new, and nothing twice."""
    programme = ProgrammeFactory()
    for _ in range(5):
        outbox.write(programme=programme, type="test.happened")
    assert [relay(limit=2), relay(limit=2), relay(limit=2), relay()] == [2, 2, 1, 0]
    outbox.write(programme=programme, type="test.happened")
    tasks.relay()
    assert positions() == [1, 2, 3, 4, 5, 6]


def test_an_event_that_commits_late_comes_after_those_that_readers_saw():
    """DESIGN 5: ids land out of the order of commits; a reader at position 1 must still meet the late one."""
    programme = ProgrammeFactory()
    written, go = threading.Event(), threading.Event()

    def late():
        try:
            with transaction.atomic():
                outbox.write(programme=programme, type="test.late")
                written.set()
                assert go.wait(timeout=20)
        finally:
            connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    assert written.wait(timeout=20)
    outbox.write(programme=programme, type="test.early")
    assert relay() == 1
    go.set()
    thread.join(timeout=20)
    assert relay() == 1
    placed = OutboxEvent.objects.order_by("position").values_list("type", "position")
    assert list(placed) == [("test.early", 1), ("test.late", 2)]
    assert OutboxEvent.objects.get(type="test.late").pk < OutboxEvent.objects.get(type="test.early").pk


def test_a_relay_that_dies_before_its_commit_leaves_no_gap():
    """Issue 3: what it had stamped is stamped again, with the same positions."""
    programme = ProgrammeFactory()
    for _ in range(3):
        outbox.write(programme=programme, type="test.happened")
    with transaction.atomic():
        assert outbox.relay() == 3
        transaction.set_rollback(True)
    assert positions() == [None, None, None]
    assert relay() == 3
    assert positions() == [1, 2, 3]


def test_a_second_relay_does_nothing_while_the_first_is_at_it():
    """R11: alone under its lock."""
    outbox.write(programme=ProgrammeFactory(), type="test.happened")

    def second():
        return relay()

    with transaction.atomic():
        assert outbox.relay() == 1
        assert at_once([second, second]) == [0, 0]
    assert positions() == [1]


def test_eight_relays_while_four_write_leave_positions_without_gap_or_twin():
    """R11, issue 3: every event once, positions 1 … n."""
    programme = ProgrammeFactory()

    def write():
        for n in range(40):
            with transaction.atomic():
                outbox.write(programme=programme, type="test.happened")
                # A part of them is taken back, and their ids leave holes.
                transaction.set_rollback(n % 4 == 3)

    def relays():
        return sum(relay(limit=7) for _ in range(15))

    stamped = sum(number or 0 for number in at_once([write] * 4 + [relays] * 8))
    while again := relay(limit=7):
        stamped += again
    assert stamped == 120
    assert sorted(positions()) == list(range(1, 121))
