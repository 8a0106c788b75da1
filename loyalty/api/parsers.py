"""JSON in, with bounds on what the machine's stack has to bear."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

# Of a whole body; what nests deeper than its own field allows is named there, by its place.
DEEPEST = 500


class JsonParser(JSONParser):
    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            data = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise _too_deep() from error
        if _is_deeper(data, DEEPEST):
            raise _too_deep()
        return data


def _too_deep() -> ParseError:
    return ParseError(f"The JSON is nested more than {DEEPEST} levels deep. Send a flatter one.", code="too_deep")


def _is_deeper(data: Any, most: int) -> bool:
    """Go down level by level, without recursion: a body of few levels is one look at its entries."""
    level = [data]
    for _ in range(most + 1):
        level = [
            entry
            for value in level
            if isinstance(value, dict | list)
            for entry in (value.values() if isinstance(value, dict) else value)
            if isinstance(entry, dict | list)
        ]
        if not level:
            return False
    return True
