"""Criteria judged in slow, plain Python, member by member: what the SQL must agree with.

Written from the meaning, not from the SQL: a leaf is true or false of every member; a missing value fails each
comparison and satisfies each complement.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

COMPLEMENTS = {
    "not_equals": "equals",
    "not_in": "in",
    "not_contains": "contains",
    "not_in_last_days": "in_last_days",
    "not_exists": "exists",
}


@dataclass(frozen=True)
class Bought:
    """One line of a receipt; `categories` are the product's category and everything above it."""

    purchase: int
    product: str
    categories: frozenset[str]
    department: str
    store: str | None
    at: datetime
    quantity: int
    amount_minor: int
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Given:
    """One assignment, or (with a benefit) the redemption of one."""

    offer: str
    template: str | None
    campaign: str | None
    at: datetime
    is_revoked: bool = False
    is_over: bool = False
    is_accepted: bool = False
    benefit_minor: int | None = None


# Sixty of them in a failing example's account would be too long to read.
@dataclass(frozen=True, repr=False)
class Person:
    """A member as plain values: columns, attributes, lines, assignments, redemptions."""

    columns: dict[str, Any]
    attributes: dict[str, Any]
    lines: tuple[Bought, ...]
    given: tuple[Given, ...] = ()
    redeemed: tuple[Given, ...] = ()
    # What she said, "given" or "refused", by channel; those in use, with the column of the address that each needs.
    consents: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    # Her place among all in hundredths of a percent, by key.
    places: Mapping[str, int] = field(default_factory=dict)
    # The uploaded lists she stands in, by name.
    lists: frozenset[str] = frozenset()

    def is_reached_by(self, channel: str) -> bool:
        """Say whether the channel is in use, she agreed to it, and the address that it needs is known."""
        if channel not in self.channels or self.consents.get(channel) != "given":
            return False
        return not self.channels[channel] or bool(self.columns[self.channels[channel]])


@dataclass(frozen=True)
class Judge:
    """Now, and where."""

    now: datetime
    zone: ZoneInfo
    # Type by attribute name.
    types: dict[str, str]
    # Other targetings' trees by id.
    saved: dict[int, Any] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def holds(self, tree: dict[str, Any], person: Person) -> bool:
        """Say whether the tree holds for the person."""
        if "op" in tree:
            join: Callable[[Iterable[bool]], bool] = all if tree["op"] == "and" else any
            return join(self.holds(item, person) for item in tree["items"]) != tree.get("not", False)
        if "random_percent" in tree:
            return person.places[tree["key"]] < round(tree["random_percent"] * 100)
        if "list" in tree:
            return tree["list"] in person.lists
        if "targeting" in tree:
            return self.holds(self.saved[tree["targeting"]], person)
        operator, value = tree["is"], tree.get("value")
        positive = COMPLEMENTS.get(operator, operator)
        if "field" in tree:
            found = self.field(tree["field"], positive, value, person)
        elif "purchases" in tree:
            found = self.purchases(tree, positive, value, person)
        else:
            found = self.offers(tree, positive, value, person)
        return found != (positive != operator)

    def field(self, key: str, operator: str, value: Any, person: Person) -> bool:
        where, name = key.split(".")
        if where == "consent":
            return self.compare(person.consents.get(name), operator, value)
        if where == "reachable":
            return operator == "exists" or person.is_reached_by(name) == value
        if where == "member":
            return self.compare(person.columns[name] or None, operator, value)
        given, kind = person.attributes.get(name), self.types[name]
        if operator == "exists":
            return given not in (None, "", [])
        if not _is(kind, given):
            return False
        if kind == "list":
            return value in given if operator == "contains" else any(one in given for one in value)
        return self.compare(date.fromisoformat(given) if kind == "date" else given, operator, value)

    def compare(self, given: Any, operator: str, value: Any) -> bool:
        if given is None:
            return False
        if operator == "exists":
            return True
        if isinstance(given, datetime):
            given = given.astimezone(self.zone).date()
        if isinstance(given, date):
            if operator == "in_last_days":
                return bool(self.today - timedelta(days=value) <= given <= self.today)
            value = [date.fromisoformat(one) for one in value] if operator == "between" else date.fromisoformat(value)
        return _compared(given, operator, value)

    def purchases(self, tree: dict[str, Any], operator: str, value: Any, person: Person) -> bool:
        lines = [line for line in person.lines if self.counts(tree.get("where", {}), line)]
        measure = tree["purchases"]
        if measure in ("count", "amount", "units"):
            number = {
                "count": len({line.purchase for line in lines}),
                "amount": sum(line.amount_minor for line in lines),
                "units": sum(line.quantity for line in lines),
            }[measure]
            return _compared(number, operator, value)
        if not lines:
            return False
        moments = [line.at for line in lines]
        if measure == "recency_days":
            days = (self.today - max(moments).astimezone(self.zone).date()).days
            return _compared(days, operator, value)
        return self.compare(min(moments) if measure == "first" else max(moments), operator, value)

    def offers(self, tree: dict[str, Any], operator: str, value: Any, person: Person) -> bool:
        if "assignments" in tree:
            measure, found = tree["assignments"], [one for one in person.given if not one.is_revoked]
            if measure == "open":
                found = [one for one in found if not one.is_over]
            elif measure == "accepted":
                found = [one for one in found if one.is_accepted]
        else:
            measure, found = tree["redemptions"], list(person.redeemed)
        where = tree.get("where", {})
        found = [
            one
            for one in found
            if self.falls(where, one.at)
            and all(
                name not in where or getattr(one, name[:-1]) in where[name]
                for name in ("offers", "templates", "campaigns")
            )
        ]
        if measure in ("first", "last"):
            moments = [one.at for one in found]
            return bool(moments) and self.compare(min(moments) if measure == "first" else max(moments), operator, value)
        number = sum(one.benefit_minor or 0 for one in found) if measure == "benefit" else len(found)
        return _compared(number, operator, value)

    def counts(self, where: dict[str, Any], line: Bought) -> bool:
        return (
            ("products" not in where or line.product in where["products"])
            and ("categories" not in where or bool(line.categories & set(where["categories"])))
            and ("groups" not in where or bool(line.groups & set(where["groups"])))
            and ("departments" not in where or line.department in where["departments"])
            and ("stores" not in where or line.store in where["stores"])
            and self.falls(where, line.at)
        )

    def falls(self, where: dict[str, Any], at: datetime) -> bool:
        """Say whether the moment lies in the days that count."""
        day, last_days = at.astimezone(self.zone).date(), where.get("last_days")
        return (
            (last_days is None or self.today - timedelta(days=last_days) <= day <= self.today)
            and ("from" not in where or day >= date.fromisoformat(where["from"]))
            and ("to" not in where or day <= date.fromisoformat(where["to"]))
        )


def _is(kind: str, given: Any) -> bool:
    """Say whether an attribute's value is of the declared type."""
    if kind == "number":
        return isinstance(given, int | float) and not isinstance(given, bool)
    if kind == "date":
        return isinstance(given, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", given) is not None
    return isinstance(given, {"text": str, "boolean": bool, "list": list}[kind])


def _compared(given: Any, operator: str, value: Any) -> bool:
    if operator == "between":
        return bool(value[0] <= given <= value[1])
    if operator == "in":
        return given in value
    if operator == "contains":
        return value.lower() in given.lower()
    if operator == "starts_with":
        return bool(given.lower().startswith(value.lower()))
    if operator == "equals":
        return bool(given == value)
    return bool(
        {
            "less": lambda: given < value,
            "before": lambda: given < value,
            "less_or_equal": lambda: given <= value,
            "greater": lambda: given > value,
            "after": lambda: given > value,
            "greater_or_equal": lambda: given >= value,
        }[operator]()
    )
