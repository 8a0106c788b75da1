"""Setting a limit beside runs that end, grants and publishing: nothing is counted for good that nobody got (D-05)."""

import threading

import pytest
from django.conf import settings as configured
from django.db import connection, transaction

from loyalty import clock
from loyalty.errors import InvalidInput
from offers.models import ConfigOffer, Limit, MassAssignment, MemberCount
from offers.selectors import integrity
from offers.services import (
    assignment_writers,
    catalogue,
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
    DraftOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    give,
    limit_of,
    plan_run,
)
from tests.threads import are_waiting, deadlocks

pytestmark = pytest.mark.django_db(transaction=True)
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}


@pytest.fixture
def programme():
    return ProgrammeFactory()


class Elsewhere:
    """A call on a connection of its own: what it answered, or raised."""

    def __init__(self, call):
        self.answer = self.error = None
        self.thread = threading.Thread(target=self._work, args=[call], daemon=True)
        self.thread.start()

    def _work(self, call):
        try:
            self.answer = call()
        except Exception as error:
            # Whatever it is: the test looks at it in its own thread.
            self.error = error
        finally:
            connection.close()

    def ended(self):
        self.thread.join(timeout=20)
        assert not self.thread.is_alive(), "It waits for ever."
        return self


def violations():
    return [one.check.name for one in integrity.examine() if one.violations]


def cancel(run):
    mass_assignment.cancel(run=MassAssignment.objects.get(pk=run.pk), actor=None, now=clock.now())


def finish(run):
    assert execution.finish(run_id=run.pk, now=clock.now())


@pytest.mark.parametrize(
    ("end", "state", "counts"), [(finish, "finished", [0, 1, 1, 1]), (cancel, "cancelled", [0, 1, 0, 0])]
)
def test_d_01_a_first_limit_per_member_counts_nobody_for_what_a_run_that_ends_did_not_give_her(
    programme, monkeypatch, settings, end, state, counts
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
        assert are_waiting(1)
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
    assert violations() == []
    # She got nothing, so she may have two; her friend had one.
    members[0].status = "active"
    members[0].save()
    more = ConfigOfferFactory.create_batch(2, programme=programme)
    assert [ask(each, members[:1], campaign) for each in more] == [{"assigned": 1}] * 2
    assert [ask(each, members[1:2], campaign) for each in more] == [{"assigned": 1}, {"ineligible": 1}]
    assert ask(other, [stranger], campaign) == {"assigned": 1}


def test_d_05_a_first_limit_waits_for_a_run_that_ends_before_it_holds_writers_up(programme, monkeypatch):
    """D-05, D-06: giving a large run's codes back takes seconds; grants go on meanwhile."""
    monkeypatch.setattr(assignment_writers, "PATIENCE", "2s")
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    members = MemberFactory.create_batch(2, programme=programme)
    run = plan_run(offer)
    with transaction.atomic():
        MassAssignment.objects.select_for_update().get(pk=run.pk)
        setter = Elsewhere(lambda: limit_of(offer, cap=9))
        assert are_waiting(1)
        asker = Elsewhere(lambda: ask(other, members)).ended()
    assert asker.answer == {"assigned": 2}
    assert setter.ended().error is None
    assert setter.answer.assigned == 2
    assert violations() == []


def test_d_05_a_limit_counts_the_grants_of_an_offer_that_was_published_since_its_page_was_read(programme, monkeypatch):
    """D-05: what decides is the offer as it is under its lock: a grant that is being written is waited for."""
    monkeypatch.setattr(assignment_writers, "PATIENCE", "200ms")
    monkeypatch.setattr(assignment_writers, "TRIES", 1)
    offer = DraftOfferFactory(programme=programme, terms=TWO_EUROS)
    read = ConfigOffer.objects.select_related("programme").get(pk=offer.pk)
    assert read.current_revision_id is None
    catalogue.publish(offer=offer, actor=None, now=clock.now())
    members = MemberFactory.create_batch(2, programme=programme)
    with transaction.atomic():
        give(members[0], offer)
        setter = Elsewhere(
            lambda: limit_settings.put(owner=read, values={"cap": 1}, actor=None, now=clock.now())
        ).ended()
    assert isinstance(setter.error, assignment_writers.Busy)
    made = limit_settings.put(owner=read, values={"cap": 1}, actor=None, now=clock.now())
    assert (made.assigned, made.spent_minor) == (1, 200)
    assert ask(offer, members[1:]) == {"cap_reached": 1}
    assert violations() == []


def test_d_05_an_offer_that_was_made_for_everyone_since_its_page_was_read_gets_no_limit(programme):
    """D-05: nothing is assigned of it, so there is nothing to limit, whatever the caller read."""
    offer = DraftOfferFactory(programme=programme)
    ConfigOffer.objects.filter(pk=offer.pk).update(audience="everyone")
    with pytest.raises(InvalidInput) as caught:
        limit_of(offer, cap=1)
    assert [found["code"] for found in caught.value.problems] == ["offer_is_for_everyone"]


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
    assert violations() == []


def test_d_05_whoever_takes_back_and_a_first_limit_per_member_do_not_wait_for_each_other(programme, monkeypatch):
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
            assert are_waiting(1)
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
    assert violations() == []


def test_d_05_a_first_limit_per_member_is_in_force_later_where_assignments_are_written_without_a_pause(
    programme, monkeypatch
):
    """D-05, C-04: it is set at once and refuses nobody yet; the sweeper counts members once it can."""
    monkeypatch.setattr(assignment_writers, "PATIENCE", "200ms")
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
    assert violations() == []


def test_d_05_a_first_limit_lets_those_behind_it_go_on_and_tries_again(programme, monkeypatch):
    """D-05: it gives up well before a web process does, so that nobody behind it is told 503; the next try sets it."""
    assert assignment_writers.PATIENCE == "3s"
    assert configured.DATABASE_PATIENCE_SECONDS >= 10
    monkeypatch.setattr(assignment_writers, "PATIENCE", "200ms")
    offer, other = ConfigOfferFactory.create_batch(2, programme=programme)
    members = MemberFactory.create_batch(2, programme=programme)
    with transaction.atomic():
        give(members[0], offer)
        setter = Elsewhere(lambda: limit_of(offer, cap=1))
        assert are_waiting(1)
        # Stands behind the setter, while the writer before both is at it still.
        assert Elsewhere(lambda: ask(other, members)).ended().answer == {"assigned": 2}
    assert setter.ended().error is None
    assert setter.answer.assigned == 1


def test_d_05_of_two_who_set_what_they_saw_at_once_one_is_told_that_it_was_changed(programme):
    """D-05: both saw nothing limited; the offer's row decides who was first."""
    offer = ConfigOfferFactory(programme=programme)
    seen = limit_settings.version(None)

    def put(cap):
        return limit_settings.put(owner=offer, values={"cap": cap}, actor=None, now=clock.now(), seen=seen)

    both = [Elsewhere(lambda cap=cap: put(cap)) for cap in (3, 4)]
    made = [one.answer.cap for one in both if one.ended().error is None]
    assert [type(one.error) for one in both if one.error] == [limit_settings.Changed]
    assert list(Limit.objects.values_list("cap", flat=True)) == made
