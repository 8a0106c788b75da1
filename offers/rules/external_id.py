"""Lists of external ids and codes, as rules hold them: at least a character, no blanks around, none twice."""

from typing import Annotated

from pydantic import AfterValidator, Strict, StringConstraints
from pydantic_core import PydanticCustomError

LONGEST = 200
# A coupon of the retail data names up to some thousand products.
MOST = 20_000


def _printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise PydanticCustomError("not_an_id", "not an id")
    return value


ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST), AfterValidator(_printable)]


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


# For a tuple's annotation: takes JSON's lists, and keeps the first of what is given twice.
UNIQUE = (Strict(False), AfterValidator(_unique))
