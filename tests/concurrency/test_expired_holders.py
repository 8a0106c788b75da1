"""Two sets that free the same expired holders, in another order each, do not wait for each other (docs/locking.md)."""

from datetime import timedelta

import pytest
from django.db import transaction

from loyalty import clock
from offers.models import Assignment, RepeatPolicy, Source
from offers.services import assignment
from offers.services.assignment import Grant
from tests.factories import ConfigOfferFactory, MemberFactory, ProgrammeFactory, give
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_d_01_sets_in_opposite_orders_free_and_assign_without_a_deadlock():
    """A deadlock would come out as an error here: nothing around `assign` tries again."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, repeat_policy=RepeatPolicy.ONE_OPEN)
    template = offer.templates.get()
    members = MemberFactory.create_batch(40, programme=programme)
    for member in members:
        give(member, offer)
    hour = timedelta(hours=1)
    Assignment.objects.update(starts_at=clock.now() - 2 * hour, ends_at=clock.now() - hour)

    def ask(of):
        with transaction.atomic():
            return assignment.assign(
                programme=programme,
                grants=[Grant(template_id=template.pk, member_id=member.pk) for member in of],
                source=Source.API,
                actor=None,
                now=clock.now(),
            )

    answers = at_once([lambda: ask(members), lambda: ask(members[::-1])] * 2)
    given = [outcome.code for answer in answers for outcome in answer]
    assert (given.count("assigned"), given.count("already_held")) == (40, 120)
    assert Assignment.objects.filter(holding_key=-1).count() == 40
