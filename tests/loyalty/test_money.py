"""Money is integer minor units (D-08); people read it in their language."""

from decimal import Decimal

import pytest
from django.utils import translation

from loyalty import money


@pytest.mark.parametrize(
    ("language", "minor", "currency", "shown"),
    [
        ("en", 416400, "EUR", "4,164.00 €"),
        ("de", 416400, "EUR", "4.164,00 €"),
        ("en", 199, "USD", "$1.99"),
        ("en", -199, "USD", "-$1.99"),
        ("de", 199, "USD", "1,99 $"),
        ("en", 500, "JPY", "¥500"),
        ("en", 1500, "KWD", "1.500 KWD"),
        ("en", 100, "CHF", "1.00 CHF"),
    ],
)
def test_an_amount_is_written_as_its_readers_write_it(language, minor, currency, shown):
    with translation.override(language):
        assert money.display(minor, currency).replace("\xa0", " ") == shown


def test_minor_units_round_half_up():
    """D-08."""
    assert [money.to_minor(Decimal(text), "EUR") for text in ("0.005", "1.004", "-0.005")] == [1, 100, -1]
    assert money.to_major(1999, "EUR") == Decimal("19.99")
