"""A run's options as people type them (S4-25, S4-27)."""

from datetime import timedelta

import pytest
from django.template.loader import render_to_string

from loyalty import clock
from offers.forms.mass_assignment import OptionsForm
from offers.services.member_value_preview import Spread
from tests.factories import CampaignFactory, ProgrammeFactory

pytestmark = pytest.mark.django_db
SHARE = "Give a percentage from 0 to 99.99, with two decimals at most."


@pytest.mark.parametrize("typed", ["101", "100", "99.995", "-1", "12.345", "-101.555", "1e30", "1e-400"])
def test_a_share_that_cannot_be_held_out_gets_one_sentence(typed):
    """S4-25: however many things are wrong with it."""
    form = OptionsForm({"hold_out": typed}, programme=ProgrammeFactory())
    assert not form.is_valid()
    assert form.errors["hold_out"] == [SHARE]


@pytest.mark.parametrize("typed", ["x", "NaN", "Infinity"])
def test_what_is_no_number_gets_one_sentence_too(typed):
    """S4-25: no second one about its size."""
    form = OptionsForm({"hold_out": typed}, programme=ProgrammeFactory())
    assert form.errors["hold_out"] == ["Enter a number."]


@pytest.mark.parametrize("typed", ["", "0", "12.5", "12.50", "99.99", "1e1"])
def test_a_share_that_can_be_held_out_is_taken(typed):
    """S4-25: up to 99.99 percent."""
    assert OptionsForm({"hold_out": typed}, programme=ProgrammeFactory()).is_valid()


def test_campaigns_are_offered_by_their_names():
    """S4-27: whatever the case, and whenever they begin."""
    programme = ProgrammeFactory()
    for days, name in enumerate(["spring", "Autumn", "Winter", "summer"]):
        CampaignFactory(programme=programme, name=name, starts_at=clock.now() + timedelta(days=days))
    offered = [str(label) for _value, label in OptionsForm(programme=programme).fields["campaign"].choices]
    assert offered[1:] == ["Autumn", "spring", "summer", "Winter"]


def _said(**numbers):
    spread = Spread(key="benefit.size", label="Benefit, Size", unit="percent", currency="EUR", **numbers)
    return " ".join(render_to_string("offers/_run_values.html", {"found": {"spreads": [spread]}}).split())


def test_s1_05_a_spread_says_who_has_no_value_and_what_is_rounded():
    """S1-05: nobody's value is no number; a rounding is said, and how many it concerns."""
    nobody = _said(minimum=None, median=None, maximum=None)
    assert "Nobody has a value" in nobody
    assert "half of them" not in nobody
    some = _said(minimum=5, median=13, maximum=20)
    assert "from 5 % to 20 %, half of them up to 13 %" in some
    assert "rounded" not in some
    assert "2 values have more decimals than the offer can give, and are rounded" in _said(
        minimum=5, median=13, maximum=20, rounded=2
    )
