"""Setting a limit beside runs that end, grants and publishing: nothing is counted for good that nobody got (D-05)."""

import pytest
from django.conf import settings as configured
from django.db import transaction

from loyalty import clock
from loyalty.errors import InvalidInput
from offers.models import ConfigOffer, Limit, MassAssignment
from offers.services import (
    assignment_writers,
    catalogue,
    limit_settings,
)
from tests.concurrency.test_limits import ask
from tests.factories import (
    ConfigOfferFactory,
    DraftOfferFactory,
    MemberFactory,
    give,
    limit_of,
    plan_run,
)
from tests.integrity import assert_whole
from tests.threads import Elsewhere, are_waiting

pytestmark = pytest.mark.django_db(transaction=True)
TWO_EUROS = {"benefit": {"type": "amount", "size": 200}}


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
    assert_whole()


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
    assert_whole()


def test_d_05_an_offer_that_was_made_for_everyone_since_its_page_was_read_gets_no_limit(programme):
    """D-05: nothing is assigned of it, so there is nothing to limit, whatever the caller read."""
    offer = DraftOfferFactory(programme=programme)
    ConfigOffer.objects.filter(pk=offer.pk).update(audience="everyone")
    with pytest.raises(InvalidInput) as caught:
        limit_of(offer, cap=1)
    assert [found["code"] for found in caught.value.problems] == ["offer_is_for_everyone"]


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
