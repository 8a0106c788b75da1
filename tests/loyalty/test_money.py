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


@pytest.mark.parametrize(
    ("count", "currencies"),
    [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (2, "EUR USD GBP CHF HUF INR MGA MRU TWD XXQ"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ],
)
def test_d_08_minor_units_are_those_of_iso_4217(count, currencies):
    """D-08: every currency whose minor unit is no hundredth; a code that nobody knows has two digits."""
    assert {code: money.digits(code) for code in currencies.split()} == dict.fromkeys(currencies.split(), count)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1,50", "EUR", 150),
        ("1.50", "EUR", 150),
        ("1,5", "EUR", 150),
        (".5", "EUR", 50),
        ("12", "EUR", 1200),
        ("1 234,50", "EUR", 123_450),
        ("1\u202f234,50", "EUR", 123_450),
        ("1\u00a0000", "EUR", 100_000),
        ("1.234,50", "EUR", 123_450),
        ("1,234.50", "EUR", 123_450),
        ("1'234.50", "CHF", 123_450),
        ("1,234,567", "EUR", 123_456_700),
        ("1.234.567,89", "EUR", 123_456_789),
        (" 0 ", "EUR", 0),
        ("-3,20", "EUR", -320),
        ("\u22123", "EUR", -300),
        ("1250", "JPY", 1250),
        ("1 250", "JPY", 1250),
        ("1,250,000", "JPY", 1_250_000),
        ("1.5", "KWD", 1500),
        ("1,234", "KWD", 1234),
        ("1.234,567", "KWD", 1_234_567),
        ("5.000", "OMR", 5000),
        ("1.2345", "CLF", 12_345),
        ("100.00", "JPY", 100),
        ("100,0", "XAF", 100),
        ("1,250.00", "JPY", 1250),
        ("1.234,000", "EUR", 123_400),
        ("1234.000", "EUR", 123_400),
        ("0.500", "EUR", 50),
        ("7.2500", "EUR", 725),
    ],
)
def test_d_08_an_amount_is_read_as_people_write_it(text, currency, minor):
    """D-08: with a comma or a point, with thousands apart; what is displayed in a language is read in any."""
    assert money.read(text, currency) == minor


@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize(("minor", "currency"), [(150, "EUR"), (123_456_789, "EUR"), (1_234_567, "JPY")])
def test_d_08_what_a_page_shows_can_be_typed_again(language, minor, currency):
    with translation.override(language):
        shown = money.display(minor, currency).strip("\u00a0 €¥")
    assert money.read(shown, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "said"),
    [
        ("1.234", "EUR", "“1.234” has too many decimals. Give at most 2. If thousands are meant, write 1234."),
        ("1,234", "EUR", "“1,234” has too many decimals. Give at most 2. If thousands are meant, write 1234."),
        ("0.505", "EUR", "“0.505” has too many decimals. Give at most 2."),
        ("1234.567", "EUR", "“1234.567” has too many decimals. Give at most 2."),
        ("1.2345", "EUR", "“1.2345” has too many decimals. Give at most 2."),
        ("1.234", "JPY", "“1.234” has decimals, and JPY has none. If thousands are meant, write 1234."),
        ("1.000", "EUR", "“1.000” has too many decimals. Give at most 2. If thousands are meant, write 1000."),
        ("1.000", "JPY", "“1.000” has decimals, and JPY has none. If thousands are meant, write 1000."),
        ("5.0001", "OMR", "“5.0001” has too many decimals. Give at most 3."),
        ("1.50", "JPY", "“1.50” has decimals, and JPY has none."),
        ("free", "JPY", "“free” is not an amount. Write one such as 1250."),
        ("1,234,56", "EUR", "“1,234,56” is not an amount. Write one such as 12.50."),
    ],
)
def test_d_08_what_may_be_meant_in_two_ways_is_refused_and_says_what_to_write(text, currency, said):
    """D-08: never a thousandth of what was meant, nor a thousand times."""
    with pytest.raises(money.Unreadable) as refused:
        money.read(text, currency)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "-", "1e5", "NaN", "Infinity", "1_000", "9" * 31, "12.5.0", "€5", "1 50", "1 2345", "+5", "٣"],
)
def test_d_08_what_is_no_amount_is_refused(text):
    with pytest.raises(money.Unreadable, match="is not an amount"):
        money.read(text, "EUR")
