"""Money is integer minor units in the programme's currency; points are integers (D-08)."""

import re
from decimal import ROUND_HALF_UP, Decimal

from django.utils.formats import number_format
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

# Digits after the point by ISO 4217, for every currency that has not two.
DIGITS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "CLF": 4, "UYW": 4,
}  # fmt: skip
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹"}
# Whose symbol stands before the amount where people write English; elsewhere, and for all others, it stands behind.
BEFORE = {"USD", "GBP", "JPY", "INR"}
# An amount far beyond every bound, so that nobody makes the machine scale it.
LONGEST = 30
# The blanks with which people part thousands: plain, no-break, thin, and the narrow one that French has.
BLANKS = str.maketrans(dict.fromkeys("\u00a0\u2009\u202f", " "))
# With thousands apart, all by the same sign and in threes; or without. Then decimals behind the other sign.
AMOUNT = re.compile(
    r"(?P<sign>[-\u2212]?)"
    r"(?P<whole>[0-9]{1,3}(?P<apart>[ .,'\u2019])[0-9]{3}(?:(?P=apart)[0-9]{3})*|[0-9]*)"
    r"(?:(?P<point>[.,])(?P<decimals>[0-9]*))?"
)


class Unreadable(ValueError):
    """What was typed is no amount of the currency; says why and what to write."""

    code = "not_an_amount"


class TooLong(Unreadable):
    """More digits than any amount has."""


def digits(currency: str) -> int:
    """Return how many digits of a major unit the currency's minor unit has."""
    return DIGITS.get(currency, 2)


def to_minor(amount: Decimal | str, currency: str) -> int:
    """Turn a decimal amount in major units into minor units, half up."""
    scaled = Decimal(amount).scaleb(digits(currency))
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def read(text: str, currency: str) -> int:
    """Read an amount in major units, as people write it, as minor units: `1.50`, `1,50`, `1 234,50`, `1.234,50`.

    The sign that stands once is the one before the decimals. So `1.234` is 1234 in no currency: where there are three
    decimals it is 1 and 234, elsewhere it has too many, and whoever meant thousands is told how to write them. Noughts
    beyond the currency's decimals say nothing and are left out, unless they may be thousands, as in `1.000`.
    Raises Unreadable with a sentence, for what is no amount and for more decimals than the currency has.
    """
    plain = text.translate(BLANKS).strip()
    if len(plain) > LONGEST:
        raise TooLong(_not_an_amount(text, currency))
    whole, decimals, sign = _parts(plain)
    if not whole and not decimals:
        raise Unreadable(_not_an_amount(text, currency))
    most = digits(currency)
    beyond = decimals[most:]
    if beyond.strip("0") or (beyond and _may_be_thousands(whole, decimals)):
        raise Unreadable(_too_many_decimals(text, currency, whole, decimals))
    minor = int((whole or "0") + decimals[:most].ljust(most, "0"))
    return -minor if sign else minor


def _parts(plain: str) -> tuple[str, str, str]:
    """Return the whole units, the decimals and the sign of what was typed; nothing of what is no amount."""
    found = AMOUNT.fullmatch(plain)
    if found is None:
        return "", "", ""
    whole, apart, point, decimals = found["whole"], found["apart"], found["point"], found["decimals"] or ""
    if apart and apart in ".,":
        if point == apart:
            return "", "", ""
        if point is None and whole.count(apart) == 1:
            # One sign alone parts no thousands.
            whole, _point, decimals = whole.partition(apart)
    return re.sub(r"[^0-9]", "", whole), decimals, found["sign"]


def _may_be_thousands(whole: str, decimals: str) -> bool:
    """Say whether what stands behind the sign may as well be a group of a larger number."""
    return len(decimals) == 3 and 0 < len(whole) <= 3 and not whole.startswith("0")


def _not_an_amount(text: str, currency: str) -> str:
    words = {"value": _shown(text), "example": f"{to_major(1250, currency):f}"}
    return _("%(value)s is not an amount. Write one such as %(example)s.") % words


def _too_many_decimals(text: str, currency: str, whole: str, decimals: str) -> str:
    most = digits(currency)
    words = {"value": _shown(text), "digits": most, "currency": currency, "thousands": whole + decimals}
    if most:
        said = ngettext(
            "%(value)s has too many decimals. Give at most %(digits)d.",
            "%(value)s has too many decimals. Give at most %(digits)d.",
            most,
        )
    else:
        said = _("%(value)s has decimals, and %(currency)s has none.")
    if _may_be_thousands(whole, decimals):
        said = f"{said} {_('If thousands are meant, write %(thousands)s.')}"
    return said % words


def _shown(text: str) -> str:
    return f"“{text if len(text) <= 100 else text[:99] + '…'}”"


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
