"""When a run begins, as people type it: what is no day to begin on is named beside its field (D-09, issue 4)."""

from datetime import UTC, datetime

import pytest

from loyalty import clock
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


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"when": ""}, ""),
        ({"when": "later", "first_day": "2026-12-24"}, "24 Dec 09:00 America/New_York"),
        ({"when": "later", "first_day": "2027-01-02"}, "2 Jan 2027 09:00 America/New_York"),
        (
            {"when": "daily", "first_day": "2026-12-24"},
            "every day at 09:00 (America/New_York), from 24 Dec, without end",
        ),
        (
            {"when": "weekly", "first_day": "2026-12-24", "last_day": "2027-12-24"},
            "every week at 09:00 (America/New_York), from 24 Dec until 24 Dec 2027",
        ),
    ],
)
def test_d_09_the_folded_step_says_when_in_words_with_the_last_day_too(given, words, monkeypatch):
    """D-09: days as the pages write them, and the end that was given."""
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
    form = MomentForm({"at": "09:00", "last_day": "", **given}, programme=ProgrammeFactory(timezone="America/New_York"))
    assert form.is_valid()
    assert form.words == words
