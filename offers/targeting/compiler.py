"""What compiling a tree needs everywhere: the parameters so far, the zone's days, comparisons of dates and moments."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from offers.rules import moment

SYMBOLS = {
    "equals": "=",
    "less": "<",
    "less_or_equal": "<=",
    "greater": ">",
    "greater_or_equal": ">=",
    "before": "<",
    "after": ">",
}


@dataclass
class Compiler:
    """Where and when a tree is compiled, and the parameters so far."""

    programme_id: int
    now: datetime
    zone: ZoneInfo
    # The name of a relation of members whose purchases are looked up; none means all.
    within: str = ""
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def parameter(self, value: Any, cast: str) -> str:
        """Keep a value as a parameter; return its placeholder."""
        name = f"targeting_{len(self.params)}"
        self.params[name] = value
        return f"%({name})s::{cast}"

    def constant(self, value: Any) -> str:
        """Keep a JSON value as a parameter of type jsonb."""
        return self.parameter(json.dumps(value), "jsonb")

    def first_of(self, day: date) -> str:
        return self.parameter(moment.first_of(day, self.zone), "timestamptz")

    def after(self, day: date) -> str:
        return self.parameter(moment.after(day, self.zone), "timestamptz")


def dates(column: str, operator: str, value: Any, compiler: Compiler, *, cast: str) -> Iterator[str]:
    """Yield the conditions of a date, which is a whole day."""

    def day(one: date) -> str:
        return compiler.parameter(one.isoformat() if cast == "text" else one, cast)

    if operator == "exists":
        yield f"{column} IS NOT NULL"
    elif operator == "between":
        yield f"{column} BETWEEN {day(value[0])} AND {day(value[1])}"
    elif operator == "in_last_days":
        yield f"{column} BETWEEN {day(compiler.today - timedelta(days=value))} AND {day(compiler.today)}"
    else:
        yield f"{column} {SYMBOLS[operator]} {day(value)}"


def moments(column: str, operator: str, value: Any, compiler: Compiler) -> Iterator[str]:
    """Yield the conditions of a moment compared with days of the zone, half-open.

    The last N days are today and the N days before it.
    """
    if operator == "exists":
        yield f"{column} IS NOT NULL"
    elif operator == "before":
        yield f"{column} < {compiler.first_of(value)}"
    elif operator == "after":
        yield f"{column} >= {compiler.after(value)}"
    else:
        first, last = {
            "equals": lambda: (value, value),
            "between": lambda: value,
            "in_last_days": lambda: (compiler.today - timedelta(days=value), compiler.today),
        }[operator]()
        yield f"{column} >= {compiler.first_of(first)}"
        yield f"{column} < {compiler.after(last)}"
