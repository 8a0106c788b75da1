"""Reading one value of a condition, by the type it must have."""

import math
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from pydantic_core import PydanticCustomError

from offers.rules import moment
from offers.rules.problem import shown_text
from offers.targeting.catalogue import Field
from offers.targeting.criteria import Scalar

LONGEST_TEXT = 200
MOST_VALUES = 1000
MOST_DAYS = 3650
LARGEST = 10**15

Read = TypeVar("Read", bound=Scalar)
End = TypeVar("End", int, float, date)


class Refused(Exception):
    """A value that cannot be taken; `place` is its index where it stands in a list."""

    def __init__(self, code: str, text: str, value: Any, place: int | None = None) -> None:
        super().__init__(code)
        self.code, self.text, self.value, self.place = code, text, value, place


def text(value: Any) -> str:
    """Read a text that PostgreSQL can hold."""
    if not isinstance(value, str):
        raise Refused("not_text", _("%(value)s is not text. Write it in quotes.") % {"value": shown_text(value)}, value)
    if not value.strip():
        raise Refused("empty_text", _("the text is empty. Give one, or use “is known”."), value)
    if len(value) > LONGEST_TEXT:
        sentence = _("the text is too long. Use at most %(limit)s characters.") % {"limit": LONGEST_TEXT}
        raise Refused("text_too_long", sentence, value)
    # What cannot be stored cannot be looked for: NUL, and half of a surrogate pair.
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused("not_text", _("the text has a character that cannot be stored. Leave it out."), None)
    return value


def choice(field: Field) -> Callable[[Any], str]:
    """Return the reader of one of the field's choices."""

    def read(value: Any) -> str:
        choices = [known for known, _label in field.choices]
        if value not in choices:
            words = {"value": shown_text(value), "choices": ", ".join(choices)}
            raise Refused("unknown_choice", _("%(value)s is not a choice. Use one of: %(choices)s.") % words, value)
        return str(value)

    return read


def number(value: Any) -> int | float:
    """Read a number; a yes or no is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        sentence = _("%(value)s is not a number. %(how)s")
        raise Refused("not_a_number", sentence % {"value": shown_text(value), "how": _how(value)}, value)
    if abs(value) > LARGEST:
        raise Refused("too_large", _("the number is too large. Give at most %(limit)s.") % {"limit": LARGEST}, value)
    return value


def _how(value: Any) -> str:
    """Say how a number is written: of quotes only to whoever wrote some."""
    if isinstance(value, str):
        return _("Write one without quotes, such as 10.")
    return _("Give one, such as 10.")


def whole(*, minimum: int, maximum: int = LARGEST, said: Callable[[int], str] = str) -> Callable[[Any], int]:
    """Return the reader of a whole number between two bounds; `said` writes a bound for people.

    What is out of bounds is too small or too large before it is no whole number: a browser writes large ones as 1e+24.
    """

    def read(value: Any) -> int:
        words = {"value": shown_text(value)}
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and value < minimum:
            words["minimum"] = said(minimum)
            raise Refused("too_small", _("%(value)s is too small. Give at least %(minimum)s.") % words, value)
        if is_number and value > maximum:
            words["maximum"] = said(maximum)
            raise Refused("too_large", _("%(value)s is too large. Give at most %(maximum)s.") % words, value)
        if not is_number or not isinstance(value, int):
            words["how"] = _how(value)
            raise Refused("not_a_whole_number", _("%(value)s is not a whole number. %(how)s") % words, value)
        return value

    return read


def percent(value: Any) -> float:
    """Read a share in percent, with at most two decimals."""
    given = number(value)
    if not 0 < given < 100 or round(given, 2) != given:
        sentence = _("%(value)s is not a share. Give more than 0 and less than 100, with at most two decimals.")
        raise Refused("not_a_share", sentence % {"value": shown_text(value)}, value)
    return given


def boolean(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        sentence = _("%(value)s is neither true nor false. Give one of them.") % {"value": shown_text(value)}
        raise Refused("not_yes_or_no", sentence, value)
    return value


def day(value: Any) -> date:
    """Read a bare date."""
    if isinstance(value, str) and len(value) == 10:
        try:
            return moment.read(value)
        except PydanticCustomError:
            pass
    sentence = _("%(value)s is not a date. Write it as 2026-12-31.") % {"value": shown_text(value)}
    raise Refused("not_a_date", sentence, value)


def pair(value: Any, read: Callable[[Any], End]) -> tuple[End, End]:
    """Read the two ends of `between`, both included."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        sentence = _("%(value)s is not a pair. Give the lower and the upper end, as in [1, 5].")
        raise Refused("not_a_pair", sentence % {"value": shown_text(value)}, value)
    low, high = (_placed(one, place, read) for place, one in enumerate(value))
    if low > high:
        raise Refused("ends_reversed", _("the lower end is above the upper one. Turn them round."), value)
    return low, high


def several(value: Any, read: Callable[[Any], Read]) -> tuple[Read, ...]:
    """Read a list of values; one given twice counts once."""
    if not isinstance(value, list | tuple):
        sentence = _("%(value)s is not a list. Give one, as in [1, 5].") % {"value": shown_text(value)}
        raise Refused("not_a_list", sentence, value)
    if not value:
        raise Refused("empty_list", _("the list is empty. Name at least one value."), value)
    if len(value) > MOST_VALUES:
        raise Refused(
            "list_too_long", _("the list is too long. Name at most %(limit)s.") % {"limit": MOST_VALUES}, None
        )
    return tuple(dict.fromkeys(_placed(one, place, read) for place, one in enumerate(value)))


def _placed(value: Any, place: int, read: Callable[[Any], Read]) -> Read:
    try:
        return read(value)
    except Refused as refused:
        raise Refused(refused.code, refused.text, refused.value, place) from None
