"""Two sweepers at one occurrence make one run."""

from datetime import UTC, date, datetime, time

import pytest

from offers.models import MassAssignment
from offers.services import run_schedule
from offers.services.run_schedule import When
from tests.factories import ConfigOfferFactory
from tests.offers.services.test_run_schedule import schedule
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_occurrence_is_made_once_by_any_number_of_sweepers():
    """Issue 4, recurring: exactly once."""
    offer = ConfigOfferFactory()
    schedule(offer, When("daily", time(9), date(2027, 5, 1)), datetime(2027, 4, 30, tzinfo=UTC))
    now = datetime(2027, 5, 1, 10, tzinfo=UTC)
    made = at_once([lambda: run_schedule.make_due(now=now)] * 6)
    assert sum(len(one) for one in made) == 1
    assert MassAssignment.objects.count() == 1
