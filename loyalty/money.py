"""Money is integer minor units in the programme's currency; points are integers (D-08)."""

from decimal import ROUND_HALF_UP, Decimal

from django.utils.formats import number_format
from django.utils.translation import get_language

# Digits after the point by ISO 4217; the rest have two.
DIGITS = {"JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "VND": 0, "HUF": 2, "BHD": 3, "KWD": 3, "TND": 3}
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹"}
# Whose symbol stands before the amount where people write English; elsewhere, and for all others, it stands behind.
BEFORE = {"USD", "GBP", "JPY", "INR"}


def digits(currency: str) -> int:
    """Return how many digits of a major unit the currency's minor unit has."""
    return DIGITS.get(currency, 2)


def to_minor(amount: Decimal | str, currency: str) -> int:
    """Turn a decimal amount in major units into minor units, half up."""
    scaled = Decimal(amount).scaleb(digits(currency))
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def to_major(minor: int, currency: str) -> Decimal:
    """Turn minor units into an exact decimal in major units."""
    return Decimal(minor).scaleb(-digits(currency))


def display(minor: int, currency: str) -> str:
    """Write an amount for people, in the active language: `4,164.00 €`, `$4,164.00`."""
    symbol = SYMBOLS.get(currency, currency)
    if currency in BEFORE and (get_language() or "en").startswith("en"):
        return f"{'-' if minor < 0 else ''}{symbol}{_number(abs(minor), currency)}"
    return f"{_number(minor, currency)} {symbol}"


def _number(minor: int, currency: str) -> str:
    return str(
        number_format(to_major(minor, currency), decimal_pos=digits(currency), use_l10n=True, force_grouping=True)
    )
