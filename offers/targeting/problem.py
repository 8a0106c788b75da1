"""What is wrong with a criteria tree: all of it at once, each with a stable code, a path, and what to do next."""

from typing import Any

from loyalty.errors import InvalidInput
from offers.rules.problem import shown

Problem = dict[str, Any]

# An answer lists every problem up to here.
MOST = 100


class InvalidCriteria(InvalidInput):
    """A tree that cannot be used; `problems` has code, path (`items[1].value`), message and value of each."""

    code = "invalid_criteria"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(str(problem["message"]) for problem in problems[:5]), problems=problems[:MOST])


def at(path: str, code: str, message: str, value: Any = None) -> Problem:
    """Return a problem at a path; the root's path is empty."""
    return {"code": code, "path": path, "message": message, "value": shown(value)}
