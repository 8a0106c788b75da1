"""Broken requests are DomainErrors; expected refusals are values (DESIGN 10.5).

An error carries a stable code for machines, a sentence that says what to do next for people, and details
(field, line, actual and needed value) for both.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class DomainError(Exception):
    """A request that cannot be done, with every problem named at once.

    `code` is stable and lower_snake_case. `problems` lists what is wrong, each with its own code, message and,
    where there is one, `field` or `line`. `status` is the HTTP status that a door answers with.
    """

    code = "domain_error"
    status = 400

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        problems: Sequence[Mapping[str, Any]] = (),
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.problems = [dict(problem) for problem in problems]
        self.details = details


class NotFound(DomainError):
    """There is no such thing for this caller; nothing is revealed about others' things."""

    code = "not_found"
    status = 404


class Forbidden(DomainError):
    """The caller may not do this."""

    code = "forbidden"
    status = 403


class Conflict(DomainError):
    """The thing is not in a state in which this can be done."""

    code = "conflict"
    status = 409


class InvalidInput(DomainError):
    """Something given is not acceptable; `problems` names each field or line."""

    code = "invalid_input"
    status = 422
