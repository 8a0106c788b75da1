"""Numbers in addresses: read, or taken for none; a key that no column holds is none (B-17)."""

import pytest

from loyalty import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("12", 12),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("9" * 5000, None),
        ("-1", None),
        ("1.0", None),
        (" 1", None),
        ("１２", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_b_17_only_ascii_digits_that_a_key_holds_are_a_number(text, number):
    assert whole_number.read(text) == number


def test_a_number_above_the_most_that_is_meant_is_none():
    assert (whole_number.read("100", most=100), whole_number.read("101", most=100)) == (100, None)
