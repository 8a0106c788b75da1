"""Every address that the URL configuration has, and how to fill in what it asks for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.urls import get_resolver

# `<uuid:offer_id>`, `<id>`, and groups of regular expressions.
PARAMETER = re.compile(
    r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>|\(\?P<(?P<group>\w+)>(?P<pattern>(?:[^()]|\([^()]*\))*)\)"
)
BLANK = {"int": "0", "uuid": "00000000-0000-0000-0000-000000000000"}


def every() -> list[str]:
    """Return every address, as it is written in the URL configuration."""
    return sorted({f"/{pattern}" for pattern in _walk(get_resolver().url_patterns)})


def filled(address: str, values: Mapping[str, Any]) -> str:
    """Return the address with each parameter given: by name, else blank by type.

    `values` is keyed by the parameter, or by beginning of the address + parameter where one name means several.
    """

    def fill(match: re.Match[str]) -> str:
        name = match["name"] or match["group"]
        beginning = address[: match.start()]
        # The most precise key wins.
        for length in range(len(beginning), -1, -1):
            if (key := beginning[:length] + name) in values:
                return str(values[key])
        if match["group"]:
            return re.split(r"[|)]", match["pattern"].lstrip("("))[0] if "|" in match["pattern"] else "x"
        return BLANK.get(match["converter"] or "", "x")

    return PARAMETER.sub(fill, address).replace("^", "").replace("$", "")


def _walk(patterns: Any, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern)
