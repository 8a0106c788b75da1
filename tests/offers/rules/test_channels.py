"""Channels: codes of the places where an offer is told and used (S1-03)."""

from django.utils import translation

from offers import rules
from tests.offers.rules import problems


def test_codes_are_kept_once_and_named() -> None:
    terms = rules.parse({"channels": {"channels": ["store", "kiosk-2", "store"]}})
    assert terms.data() == {"channels": {"channels": ["store", "kiosk-2"]}}
    with translation.override("en"):
        assert str(rules.explain(terms, currency="EUR")[0].text) == "Channels: Store and kiosk-2"


def test_an_empty_list_and_a_wrong_code_are_refused() -> None:
    assert problems.of({"channels": {"channels": []}}) == [
        ("channels", "channels", "empty_list", "Channels: the list is empty. Name at least one.")
    ]
    assert [found[1:3] for found in problems.of({"channels": {"channels": ["In Store"]}})] == [
        ("channels[0]", "not_a_code")
    ]
    assert problems.of({"channels": {"channels": ["web", "In Store", "app\n"]}}) == [
        (
            "channels",
            f"channels[{place}]",
            "not_a_code",
            f"Channels[{place}]: “{code}” is not a code. Use small letters, digits, - and _.",
        )
        for place, code in ((1, "In Store"), (2, "app\n"))
    ]
