"""When a run begins, as people type it: what is no day to begin on is named beside its field (D-09, issue 4)."""

import pytest

from offers.forms.run_moment import MomentForm
from tests.factories import ProgrammeFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize(
    ("when", "first", "last", "field"),
    [
        ("later", "9999-12-31", "", "first_day"),
        ("later", "0001-01-01", "", "first_day"),
        ("later", "2999-12-31", "", "first_day"),
        ("later", "2020-01-01", "", "first_day"),
        ("monthly", "9999-12-31", "", "first_day"),
        ("monthly", "2999-12-31", "", "first_day"),
        ("weekly", "2020-01-02", "2020-01-01", "last_day"),
        ("daily", "2020-01-01", "2020-01-31", "last_day"),
        ("daily", "2020-01-01", "9999-12-31", "last_day"),
    ],
)
def test_d_09_a_day_on_which_nothing_can_begin_is_refused_beside_its_field(zone, when, first, last, field):
    """D-09: before the launch, and in every zone."""
    programme = ProgrammeFactory(timezone=zone)
    form = MomentForm({"when": when, "first_day": first, "at": "23:30", "last_day": last}, programme=programme)
    assert not form.is_valid()
    assert list(form.errors) == [field]
    assert (form.launch_at, form.recurring) == (None, None)
