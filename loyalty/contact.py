"""E-mail addresses and phone numbers: the keys they are found by, and how they look to who may not read them."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

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


def plain_pattern(calling_code: int) -> str:
    """Return a regular expression of numbers under a calling code that are their own key; nothing where none is sure.

    For looking through millions in the database: what does not match may be a number all the same, see `phone_key`.
    What begins as a national prefix might is left out, since the library would take that away.
    """
    region = phonenumbers.region_code_for_country_code(calling_code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(calling_code, region)
    if metadata is None or metadata.general_desc is None:
        return ""
    prefix = metadata.national_prefix_for_parsing
    lengths = [length for length in metadata.general_desc.possible_length if length > 0]
    digits = "|".join(f"[0-9]{{{length}}}" for length in lengths)
    return f"{calling_code}{f'(?!{prefix})' if prefix else ''}(?:{digits})" if digits else ""


def calling_codes() -> list[int]:
    """Return every calling code that there is."""
    return sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


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
