"""E-mail addresses and phone numbers: the keys they are found by, and how they look to who may not read them."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

import phonenumbers

# Digits of a masked phone number that stay readable, so that a caller can be asked for the rest.
SHOWN_DIGITS = 2


def email_key(email: str) -> str:
    """Return the key that an address is found by: without case or blanks around it."""
    return email.strip().lower()


def phone_key(phone: str, *, regions: Sequence[str] = ()) -> str:
    """Return the number in E.164, or nothing when it is none.

    A number without its country's code is read as one of `regions`, the first that it is valid in.
    """
    return next(iter(phone_keys(phone, regions=regions)), "")


def phone_keys(phone: str, *, regions: Sequence[str] = ()) -> list[str]:
    """Return every E.164 number that the text may mean, likeliest first."""
    found: dict[str, None] = {}
    text = phone.strip()
    if text.startswith("00"):
        text = f"+{text[2:]}"
    for region in [None] if text.startswith("+") else regions:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        # Possible, not valid: test and fresh ranges are missing from the library's tables.
        if phonenumbers.is_possible_number(number):
            found[phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)] = None
    return list(found)


def regions_of_zone(name: str) -> tuple[str, ...]:
    """Return the ISO 3166 codes of the countries that keep a time zone: how people there write numbers."""
    return _countries().get(name, ())


@cache
def _countries() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    # The first names each country's own zones, the second the countries that share one.
    for table in ("zone.tab", "zone1970.tab"):
        for line in _lines(table):
            codes, _coordinates, zone, *_comment = line.split("\t")
            names = found.setdefault(zone, [])
            names.extend(code for code in codes.split(",") if code not in names)
    return {zone: tuple(codes) for zone, codes in found.items()}


def _lines(table: str) -> Iterable[str]:
    text = resources.files("tzdata").joinpath("zoneinfo", table).read_text("utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))


def masked_email(email: str) -> str:
    """Return the address with all but its first letter and its domain hidden: `a••••@example.com`."""
    name, at, domain = email.partition("@")
    return f"{name[:1]}••••{at}{domain}" if email else ""


def masked_phone(phone: str) -> str:
    """Return the number with all but its last digits hidden: `•••• 67`."""
    return f"•••• {phone[-SHOWN_DIGITS:]}" if phone else ""
