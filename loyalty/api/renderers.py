"""JSON out through orjson."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches

from loyalty import storable

# orjson goes down 254 levels.
DEEPEST = 200


class OrjsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        try:
            return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)
        except TypeError:
            # A refusal repeats what was given, and that may be what no answer can carry.
            return orjson.dumps(_writable(data), default=str, option=orjson.OPT_NON_STR_KEYS)


def _writable(value: Any, levels: int = DEEPEST) -> Any:
    """Return the value with integers beyond 64 bit as text, half characters replaced, and the deepest levels cut."""
    if isinstance(value, Promise | str):
        return storable.UNPAIRED.sub("\ufffd", str(value))
    if isinstance(value, int) and not storable.LEAST <= value <= storable.MOST:
        return str(value)
    if isinstance(value, Mapping | list | tuple) and not levels:
        return "…"
    if isinstance(value, Mapping):
        return {_writable(name): _writable(entry, levels - 1) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(entry, levels - 1) for entry in value]
    return value


class ProblemRenderer(OrjsonRenderer):
    """RFC 9457 problem details."""

    media_type = "application/problem+json"
    format = "problem"


class OnlyJson(BaseContentNegotiation):
    """Every answer is JSON, whatever the caller says it accepts: a till that sends `Accept: text/html` is served."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        return next((parser for parser in parsers if media_type_matches(parser.media_type, request.content_type)), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type
