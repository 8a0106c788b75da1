"""What JSON from outside can carry, and what neither the database nor an answer can.

PostgreSQL keeps no NUL and no half of a surrogate pair in a text, orjson writes no integer beyond 64 bit and nothing
nested hundreds of levels deep, and JSON has no word for infinity.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LEAST, MOST = -(2**63), 2**63 - 1
# No rule and no field nests deeper than a few levels.
DEEPEST = 20
# A list of thousands of bad entries need not come back whole.
MOST_NAMED = 50
UNPAIRED = re.compile("[\ud800-\udfff]")
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
SENTENCES: dict[str, str | Promise] = {
    "unstorable_character": _("The text holds a character that cannot be stored. Take it out."),
    "unstorable_name": _("The name holds a character that cannot be stored. Take it out."),
    "number_too_large": _("The whole number does not fit into 64 bit. Give a smaller one."),
    "not_finite": _("The number is not finite. Give a finite one."),
    "too_deep": _("The value is nested more than %(deepest)d levels deep. Give a flatter one."),
}


def problems(value: Any, *, place: str = "") -> list[tuple[str, str, str]]:
    """Return what of the value cannot be stored: each one's place (`place.terms.size`, `x[3]`), code and sentence."""
    found = []
    for where, code in _found(value, place, 0):
        found.append((where, code, str(SENTENCES[code]) % {"deepest": DEEPEST}))
        if len(found) == MOST_NAMED:
            break
    return found


def _found(value: Any, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if UNSTORABLE.search(value):
            yield place, "unstorable_character"
    elif isinstance(value, int):
        if not LEAST <= value <= MOST:
            yield place, "number_too_large"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield place, "not_finite"
    elif isinstance(value, Mapping | list | tuple):
        if depth == DEEPEST:
            yield place, "too_deep"
            return
        for where, entry in _entries(value, place):
            yield from _found(entry, where, depth + 1)
        if isinstance(value, Mapping):
            for name in value:
                if isinstance(name, str) and UNSTORABLE.search(name):
                    yield _below(place, name), "unstorable_name"


def _entries(value: Mapping[str, Any] | list[Any] | tuple[Any, ...], place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((_below(place, name), entry) for name, entry in value.items())
    return ((f"{place}[{n}]", entry) for n, entry in enumerate(value))


def _below(place: str, name: str) -> str:
    shown = UNSTORABLE.sub("\ufffd", str(name))
    return f"{place}.{shown}" if place else shown
