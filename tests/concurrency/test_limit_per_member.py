"""Limiting members beside runs that end, grants, and those who take back: nobody is counted for what she did not get.

D-01, D-05; the lock order is in docs/locking.md.
"""

import threading
import time

import pytest
from django.db import connection, transaction

from loyalty import clock
from offers.models import Limit, MassAssignment, MemberCount
from offers.services import (
    assignment_writers,
    execution,
    limit,
    limit_counting,
    limit_settings,
    mass_assignment,
    revocation,
)
from tests.concurrency.test_limits import agrees, ask
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    give,
    limit_of,
    plan_run,
)
from tests.integrity import assert_whole
from tests.threads import Elsewhere, are_waiting, deadlocks, waiting

pytestmark = pytest.mark.django_db(transaction=True)
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}


@pytest.fixture
def waits(monkeypatch):
    """Set as soon as somebody waits for writers; `assignment_writers.wait_for` does its work all the same."""
    begun, real = threading.Event(), assignment_writers.wait_for

    def told(**given):
        begun.set()
        return real(**given)

    monkeypatch.setattr(assignment_writers, "wait_for", told)
    return begun


def cancel(run):
    mass_assignment.cancel(run=MassAssignment.objects.get(pk=run.pk), actor=None, now=clock.now())


def finish(run):
    assert execution.finish(run_id=run.pk, now=clock.now())


@pytest.mark.parametrize(
    ("end", "state", "counts"), [(finish, "finished", [0, 1, 1, 1]), (cancel, "cancelled", [0, 1, 0, 0])]
)
def test_d_01_a_first_limit_per_member_counts_nobody_for_what_a_run_that_ends_did_not_give_her(
    programme, monkeypatch, settings, waits, end, state, counts
):
    """D-01, D-05: the run ends while the setter waits for writers, and commits only after members were counted."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme, terms=TWO_EUROS)
    members = MemberFactory.create_batch(4, programme=programme)
    limited = limit_of(campaign, cap=50)
    run = plan_run(offer, campaign=campaign)
    members[0].status = "inactive"
    members[0].save()
    stranger = MemberFactory(programme=programme)
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    if end is finish:
        execution.do_next_chunk(run_id=run.pk, now=clock.now())
    counted, moving = threading.Event(), threading.Event()
    execute, move = limit_counting.execute, limit.move

    def told(sql, parameters=None):
        answer = execute(sql, parameters)
        if sql == limit_counting.MEMBERS_BEFORE:
            counted.set()
        return answer

    def late(*given):
        # The run holds its members' counts, or was not seen: give the counting time to read either way.
        moving.set()
        counted.wait(timeout=1)
        move(*given)

    monkeypatch.setattr(limit_counting, "execute", told)
    monkeypatch.setattr(limit, "move", late)
    with transaction.atomic():
        # Somebody writes assignments: whoever sets a first limit has to wait for her.
        connection.cursor().execute("LOCK TABLE offers_assignment IN ROW EXCLUSIVE MODE")
        setter = Elsewhere(lambda: limit_of(campaign, per_member=2))
        assert waits.wait(timeout=10)
        ender = Elsewhere(lambda: end(run))
        assert moving.wait(timeout=10)
    assert (setter.ended().error, ender.ended().error) == (None, None)
    run.refresh_from_db()
    limited.refresh_from_db()
    assert run.state == state
    assert limited.is_in_force
    assert agrees(limited)
    standing = dict(MemberCount.objects.values_list("member_id", "assigned"))
    assert [standing.get(member.pk, 0) for member in members] == counts
    assert_whole()
    # She got nothing, so she may have two; her friend had one.
    members[0].status = "active"
    members[0].save()
    more = ConfigOfferFactory.create_batch(2, programme=programme)
    assert [ask(each, members[:1], campaign) for each in more] == [{"assigned": 1}] * 2
    assert [ask(each, members[1:2], campaign) for each in more] == [{"assigned": 1}, {"ineligible": 1}]
    assert ask(other, [stranger], campaign) == {"assigned": 1}


def test_d_05_taking_a_limit_per_member_away_locks_as_grants_do(programme, monkeypatch):
    """D-05, D-01: counts before the limit: a grant between the two is waited for, and nothing is tried again."""
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme)
    ann = MemberFactory(programme=programme)
    limited = limit_of(campaign, cap=5, per_member=2)
    give(ann, ConfigOfferFactory(programme=programme), campaign_id=campaign.pk)
    before, lock, setters = deadlocks(), limit.lock, []

    def between(**given):
        if not setters:
            setters.append(Elsewhere(lambda: limit_of(campaign, per_member=None)))
            assert are_waiting(1)
        return lock(**given)

    monkeypatch.setattr(limit, "lock", between)
    grant = Elsewhere(lambda: ask(offer, [ann], campaign)).ended()
    assert grant.answer == {"assigned": 1}
    assert setters[0].ended().error is None
    assert deadlocks() == before
    assert agrees(limited)
    assert (limited.assigned, limited.per_member) == (2, None)
    # Set again, everybody is counted anew.
    assert limit_of(campaign, per_member=2).is_in_force
    assert MemberCount.objects.get(member=ann).assigned == 2
    assert_whole()


def test_d_05_whoever_takes_back_and_a_first_limit_per_member_do_not_wait_for_each_other(programme, monkeypatch, waits):
    """D-01, D-05: she reads that members are not counted, and stops; it is set, waits for her, and counts her in."""
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    limited = limit_of(campaign, cap=5)
    held = give(ann, offer, campaign_id=campaign.pk)
    give(ben, offer, campaign_id=campaign.pk)
    before, lock, setters = deadlocks(), limit.lock, []

    def between(**given):
        # The assignment is written; its share goes back next.
        if not setters:
            setters.append(Elsewhere(lambda: limit_of(campaign, per_member=1)))
            assert waits.wait(timeout=10)
        return lock(**given)

    monkeypatch.setattr(limit, "lock", between)
    taker = Elsewhere(
        lambda: revocation.revoke(programme=programme, assignment_id=held.pk, reason="", now=clock.now())
    ).ended()
    assert taker.answer.code == "revoked"
    assert setters[0].ended().error is None
    assert setters[0].answer.is_in_force
    assert deadlocks() == before
    assert agrees(limited)
    counts = dict(MemberCount.objects.values_list("member_id", "assigned"))
    assert (counts.get(ann.pk, 0), counts[ben.pk]) == (0, 1)
    assert ask(other, [ann, ben], campaign) == {"assigned": 1, "ineligible": 1}
    assert_whole()


def test_d_05_a_first_limit_per_member_is_in_force_later_where_assignments_are_written_without_a_pause(
    programme, monkeypatch
):
    """D-05, C-04: it is set at once and refuses nobody yet; the sweeper counts members once it can."""
    monkeypatch.setattr(limit_counting, "WAIT_SECONDS", 0.2)
    campaign = CampaignFactory(programme=programme)
    offer, other, third = ConfigOfferFactory.create_batch(3, programme=programme)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    limited = limit_of(campaign, cap=9)
    give(ann, offer, campaign_id=campaign.pk)
    with transaction.atomic():
        # Of another campaign altogether: whoever writes assignments may be taking something back.
        give(ben, offer)
        setter = Elsewhere(lambda: limit_of(campaign, per_member=1)).ended()
        assert setter.error is None
        assert not setter.answer.is_in_force
        assert Elsewhere(lambda: ask(other, [ann], campaign)).ended().answer == {"assigned": 1}
        assert Elsewhere(lambda: limit_counting.count(limit_id=limited.pk, now=clock.now())).ended().error is None
        limited.refresh_from_db()
        assert not limited.is_in_force
    monkeypatch.setattr(limit_counting, "LEFT_BEHIND", -limit_counting.LEFT_BEHIND)
    assert limit_counting.count_left_behind(now=clock.now()) == 1
    assert agrees(limited)
    assert limited.is_in_force
    assert MemberCount.objects.get(member=ann).assigned == 2
    assert ask(third, [ann, ben], campaign) == {"ineligible": 1, "assigned": 1}
    assert_whole()


def test_d_05_nobody_stands_behind_whoever_waits_for_writers(programme, waits):
    """D-05: she looks at who is writing; a grant of another offer that comes meanwhile is written at once."""
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    limit_of(campaign, cap=9)
    with transaction.atomic():
        give(ann, offer)
        setter = Elsewhere(lambda: limit_of(campaign, per_member=1))
        assert waits.wait(timeout=10)
        assert Elsewhere(lambda: ask(other, [ben])).ended().answer == {"assigned": 1}
        assert waiting() == 0
    assert setter.ended().answer.is_in_force


def test_d_05_the_cap_of_a_first_limit_is_in_force_although_members_cannot_be_counted_yet(programme, monkeypatch):
    """D-05: what can be counted is; the rest is the sweeper's."""
    monkeypatch.setattr(assignment_writers, "wait_for", lambda **_given: False)
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    ann, ben = MemberFactory.create_batch(2, programme=programme)
    give(ann, offer, campaign_id=campaign.pk)
    made = limit_of(campaign, cap=2, per_member=1)
    assert (made.assigned, made.counted_at is None, made.members_counted_at) == (1, False, None)
    assert ask(other, [ann, ben], campaign) == {"assigned": 1, "cap_reached": 1}


def until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_d_05_who_began_to_count_before_members_were_limited_counts_none_unwaited_for(programme, monkeypatch):
    """D-01, D-05: she saw only a cap; somebody takes back, reads no limit per member, and is at it when one is set."""
    campaign = CampaignFactory(programme=programme)
    offer = ConfigOfferFactory(programme=programme)
    ann = MemberFactory(programme=programme)
    held = give(ann, offer, campaign_id=campaign.pk)
    with monkeypatch.context() as dying:
        dying.setattr(limit_counting, "count", lambda **_given: None)
        limit_settings.put(owner=campaign, values={"cap": 5}, actor=None, now=clock.now())
    limited = Limit.objects.get()
    assert not limited.is_in_force
    real, lock, others = limit_counting._count, limit.lock, []
    taken, go_on = threading.Event(), threading.Event()

    def slowly(**given):
        taken.set()
        go_on.wait(timeout=10)
        return lock(**given)

    def take_back():
        revocation.revoke(programme=programme, assignment_id=held.pk, reason="", now=clock.now())

    def between(seen, with_members, now):
        if others:
            return real(seen, with_members, now)
        assert not with_members
        others.append(Elsewhere(take_back))
        assert taken.wait(timeout=10)
        others.append(Elsewhere(lambda: limit_of(campaign, per_member=1)))
        until(lambda: Limit.objects.get().per_member)
        try:
            return real(seen, with_members, now)
        finally:
            go_on.set()

    monkeypatch.setattr(limit, "lock", slowly)
    monkeypatch.setattr(limit_counting, "_count", between)
    limit_counting.count(limit_id=limited.pk, now=clock.now())
    assert [one.ended().error for one in others] == [None, None]
    limited.refresh_from_db()
    assert limited.is_in_force
    assert agrees(limited)
    assert sum(MemberCount.objects.values_list("assigned", flat=True)) == 0
    assert_whole()


def test_d_05_members_limited_anew_while_they_are_counted_are_counted_anew(programme, monkeypatch):
    """D-01, D-05: taken away meanwhile, given to without being counted, and set again: nobody is missing."""
    campaign = CampaignFactory(programme=programme)
    offer, other, third = ConfigOfferFactory.create_batch(3, programme=programme)
    ann = MemberFactory(programme=programme)
    limit_of(campaign, cap=9)
    give(ann, offer, campaign_id=campaign.pk)
    execute, setters = limit_counting.execute, []

    def told(sql, parameters=None):
        answer = execute(sql, parameters)
        if sql == limit_counting.MEMBERS_BEFORE and not setters:
            setters.append(Elsewhere(lambda: limit_of(campaign, per_member=None)))
            assert setters[0].ended().error is None
            assert Elsewhere(lambda: ask(other, [ann], campaign)).ended().answer == {"assigned": 1}
            # Whoever sets it again dies before she counts.
            monkeypatch.setattr(limit_counting, "count", lambda **_given: None)
            again = {"owner": campaign, "values": {"per_member": 2}, "actor": None, "now": clock.now()}
            setters.append(Elsewhere(lambda: limit_settings.put(**again)))
            assert setters[1].ended().error is None
        return answer

    monkeypatch.setattr(limit_counting, "execute", told)
    made = limit_of(campaign, per_member=2)
    assert [one.ended().error for one in setters] == [None, None]
    made.refresh_from_db()
    assert made.is_in_force
    assert MemberCount.objects.get(member=ann).assigned == 2
    assert ask(third, [ann], campaign) == {"ineligible": 1}
    assert_whole()
