"""A first limit counts what was given before it while assigning goes on, and holds nobody up for it (D-05)."""

import threading
import time

import pytest
from django.db import connection, transaction

from loyalty import clock
from offers.models import Assignment, Limit, MemberCount
from offers.services import assignment_writers, execution, limit_counting, limit_reservation, limit_settings, revocation
from offers.tasks import mass_assignment as tasks
from tests.concurrency.test_limits import agrees, ask
from tests.factories import (
    CampaignFactory,
    ConfigOfferFactory,
    MemberFactory,
    give,
    launch_run,
    limit_of,
)
from tests.integrity import assert_whole
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}


def elsewhere(call):
    """Run the call on a connection of its own and return its answer; whoever waits for us for ever fails."""
    told = []

    def work():
        try:
            told.append(call())
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert told, "It waits for the limit that is being counted."
    return told[0]


def between(monkeypatch, module, name, do):
    """Have `do` done once, right after the first call of the module's function."""
    real, done = getattr(module, name), []

    def wrapped(*args, **options):
        answer = real(*args, **options)
        if not done:
            done.append(True)
            do()
        return answer

    monkeypatch.setattr(module, name, wrapped)
    return done


def test_d_05_grants_and_revocations_go_on_while_a_first_limit_counts_and_are_counted_once(programme, monkeypatch):
    """D-05: what happens between the reading and its end is neither lost nor counted twice; then the cap holds."""
    offer = ConfigOfferFactory(programme=programme, terms=TWO_EUROS)
    members = MemberFactory.create_batch(6, programme=programme)
    held = [give(member, offer) for member in members[:3]]

    def meanwhile():
        # Past the cap, for it is not in force yet: as if she had asked a moment before it was set.
        assert elsewhere(lambda: ask(offer, members[3:5])) == {"assigned": 2}
        elsewhere(lambda: revocation.revoke(programme=programme, assignment_id=held[0].pk, reason="", now=clock.now()))

    done = between(monkeypatch, limit_counting, "_before", meanwhile)
    made = limit_of(offer, cap=3)
    assert done
    assert made.is_in_force
    assert (made.assigned, made.spent_minor, made.assigned_today, made.spent_today_minor) == (4, 800, 4, 800)
    assert agrees(made)
    assert ask(offer, members[5:]) == {"cap_reached": 1}
    assert_whole()


def test_d_01_a_first_limit_per_member_counts_beside_grants_runs_and_revocations(programme, monkeypatch, settings):
    """D-01, D-05: a run at work counts with all it reserved, refused members give theirs back, whenever they do."""
    settings.MASS_ASSIGNMENT_CHUNK = 2
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme, terms=TWO_EUROS)
    members = MemberFactory.create_batch(6, programme=programme)
    first = [give(member, other, campaign_id=campaign.pk) for member in members[:2]]
    run = launch_run(offer, campaign=campaign)
    execution.plan(run_id=run.pk, now=clock.now())
    members[5].status = "inactive"
    members[5].save()
    execution.do_next_chunk(run_id=run.pk, now=clock.now())
    gone = Assignment.objects.get(run=run, member=members[0])
    revocation.revoke(programme=programme, assignment_id=gone.pk, reason="", now=clock.now())

    def finish():
        execution.run_to_end(run_id=run.pk, clock=clock.now)
        for one in (first[1], Assignment.objects.get(run=run, member=members[1])):
            revocation.revoke(programme=programme, assignment_id=one.pk, reason="", now=clock.now())
        return True

    # Before the reading: what they give back stands before anything was counted.
    real = limit_counting.count
    monkeypatch.setattr(limit_counting, "count", lambda **given: elsewhere(finish) and real(**given))
    made = limit_of(campaign, per_member=2, cap=50)
    assert made.is_in_force
    assert agrees(made)
    counts = dict(MemberCount.objects.values_list("member_id", "assigned"))
    assert [counts.get(member.pk, 0) for member in members] == [1, 0, 1, 1, 1, 0]
    assert_whole()


def test_d_05_limits_set_in_the_midst_of_doors_runs_and_revocations_end_exact(programme, settings):
    """R1, D-05, D-01: eight doors, two workers and a revoker at work while three first limits are set."""
    settings.MASS_ASSIGNMENT_CHUNK = 5
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme, terms=TWO_EUROS)
    members = MemberFactory.create_batch(48, programme=programme)
    run = launch_run(offer, campaign=campaign)
    execution.plan(run_id=run.pk, now=clock.now())

    def work():
        while execution.do_next_chunk(run_id=run.pk, now=clock.now()):
            pass
        execution.finish(run_id=run.pk, now=clock.now())

    def take_back():
        for _ in range(12):
            time.sleep(0.02)
            for pk in Assignment.objects.filter(revoked_at=None).values_list("pk", flat=True)[:2]:
                revocation.revoke(programme=programme, assignment_id=pk, reason="", now=clock.now())

    def put(owner, wait, **values):
        time.sleep(wait)
        limit_settings.put(owner=owner, values=values, actor=None, now=clock.now())

    at_once(
        [lambda n=n: ask(other, members[n::8], campaign) for n in range(8)]
        + [work, work, take_back]
        + [
            lambda: put(offer, 0.05, cap=500),
            lambda: put(campaign, 0.1, budget_minor=10**6),
            lambda: put(campaign, 0.2, per_member=40),
        ]
    )
    work()
    for made in Limit.objects.all():
        assert made.is_in_force
        assert agrees(made)
    assert Limit.objects.count() == 2
    assert_whole()


def test_d_05_a_limit_whose_setter_died_is_put_in_force_by_the_sweeper_or_by_setting_it_again(
    programme, monkeypatch, settings
):
    """D-05, C-04: until then it adds up and refuses nothing; counted again it counts once."""
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    members = MemberFactory.create_batch(3, programme=programme)

    def die(**_given):
        raise KeyboardInterrupt

    for each in (offer, other):
        give(members[0], each)
        with monkeypatch.context() as dying:
            dying.setattr(limit_counting, "count", die)
            with pytest.raises(KeyboardInterrupt):
                limit_of(each, cap=1)
        assert ask(each, members[1:2]) == {"assigned": 1}
        assert not Limit.objects.get(config_offer=each).is_in_force
    assert limit_of(offer, cap=1).assigned == 2
    tasks.sweep()
    assert not Limit.objects.get(config_offer=other).is_in_force
    monkeypatch.setattr(limit_counting, "LEFT_BEHIND", -limit_counting.LEFT_BEHIND)
    tasks.sweep()
    tasks.sweep()
    for each in (offer, other):
        made = Limit.objects.get(config_offer=each)
        assert made.is_in_force
        assert agrees(made)
        assert ask(each, members[2:]) == {"cap_reached": 1}
    assert_whole()


def test_d_05_a_first_limit_gives_up_where_assignments_are_written_without_a_pause(programme, monkeypatch):
    """D-05: `assigning_now` after some patience, and nothing is set; the writer goes on."""
    monkeypatch.setattr(assignment_writers, "PATIENCE", "200ms")
    offer = ConfigOfferFactory(programme=programme)
    members = MemberFactory.create_batch(2, programme=programme)

    def refused():
        with pytest.raises(assignment_writers.Busy) as caught:
            limit_of(offer, cap=1)
        return caught.value.code

    with transaction.atomic():
        give(members[0], offer)
        assert elsewhere(refused) == "assigning_now"
    assert not Limit.objects.exists()
    assert ask(offer, members[1:]) == {"assigned": 1}
    assert limit_of(offer, cap=1).assigned == 2


def test_s4_27_a_member_whom_another_door_fills_while_a_run_is_planned_is_left_out_of_it(programme, monkeypatch):
    """S4-27, D-01, D-05: what the freeze saw holds no more, so it is planned anew; she is not given one too many."""
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    ann, _ben = MemberFactory.create_batch(2, programme=programme)
    limit_of(campaign, per_member=1)
    run = launch_run(offer, campaign=campaign)
    real, calls = limit_reservation.reserve_counts, []

    def outrun(**given):
        calls.append(given)
        if len(calls) == 1:
            assert elsewhere(lambda: ask(other, [ann], campaign)) == {"assigned": 1}
        return real(**given)

    monkeypatch.setattr(limit_reservation, "reserve_counts", outrun)
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    run.refresh_from_db()
    assert len(calls) == 2
    assert (run.state, run.eligible, run.excluded) == ("finished", 1, {"ineligible": 1})
    assert sorted(MemberCount.objects.values_list("assigned", flat=True)) == [1, 1]
    assert_whole()


def test_s4_27_a_limit_per_member_that_is_set_while_a_run_is_planned_counts_its_members(programme, monkeypatch):
    """S4-27, D-01: the freeze did not ask how many each was given, so it is done again."""
    campaign = CampaignFactory(programme=programme)
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    ann, _ben = MemberFactory.create_batch(2, programme=programme)
    give(ann, other, campaign_id=campaign.pk)
    run = launch_run(offer, campaign=campaign)
    real, calls = limit_reservation.reserve, []

    def set_now(**given):
        calls.append(given)
        if len(calls) == 1:
            elsewhere(lambda: limit_of(campaign, per_member=1))
        return real(**given)

    # The very last moment: from here on planning keeps setters out.
    monkeypatch.setattr(limit_reservation, "reserve", set_now)
    execution.run_to_end(run_id=run.pk, clock=clock.now)
    run.refresh_from_db()
    assert (run.state, run.eligible, run.excluded) == ("finished", 1, {"ineligible": 1})
    assert sorted(MemberCount.objects.values_list("assigned", flat=True)) == [1, 1]
    assert_whole()
