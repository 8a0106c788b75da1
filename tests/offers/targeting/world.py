"""A small seeded world for criteria: members of two programmes with every awkward value, and their purchases."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from loyalty.models import Member, Programme
from tests.factories import (
    AttributeDefinitionFactory,
    CategoryFactory,
    DepartmentFactory,
    MemberFactory,
    ProductFactory,
    ProgrammeFactory,
    PurchaseFactory,
    PurchaseLineFactory,
    StoreFactory,
)
from tests.offers.targeting.reference import Bought, Judge, Person

ZONE = ZoneInfo("America/New_York")
# Already the next day in UTC, and just after the clocks changed.
NOW = datetime(2026, 3, 10, 2, 30, tzinfo=UTC)
TODAY = date(2026, 3, 9)
ATTRIBUTES = {"tier": "text", "children": "number", "owner": "boolean", "wedding": "date", "likes": "list"}
KINDS: dict[str, Any] = {
    "member.city": "text",
    "member.status": "choice",
    "member.birth_date": "date",
    "member.joined_at": "moment",
} | {f"attribute.{name}": kind for name, kind in ATTRIBUTES.items()}
JUDGE = Judge(now=NOW, zone=ZONE, types=ATTRIBUTES)

CITIES = ["", "London", "Londonderry", "Paris", "100%", "100 percent", "a_b", "aXb", "a\\b", "'; --", "Über"]
# The declared type is what is meant; imports of long ago left others.
STORED: dict[str, list[Any]] = {
    "tier": ["gold", "silver", "", None, 5, True, ["gold"], "GOLD"],
    "children": [0, 1, 1.0, 1.5, 2, 10, "2", "many", None, True, [2], -1],
    "owner": [True, False, "true", 1, None],
    "wedding": ["2026-03-01", "2026-02-01", "soon", "", None, 20260301, "2026-3-1"],
    "likes": [["tea"], ["tea", "milk"], [], "tea", None, {"tea": 1}],
}
EDGES = [
    datetime(2026, 3, 10, 3, 59, tzinfo=UTC),  # the last minute of today in New York
    datetime(2026, 3, 10, 4, 0, tzinfo=UTC),  # the first of tomorrow
    datetime(2026, 3, 8, 5, 0, tzinfo=UTC),  # midnight of the day of 23 hours
    datetime(2026, 3, 8, 4, 59, tzinfo=UTC),
]


def plant() -> tuple[Programme, dict[int, Person]]:
    """Plant the world; return its programme and what is known of each member that is not erased, by id."""
    programme = ProgrammeFactory(timezone="America/New_York")
    for name, kind in ATTRIBUTES.items():
        AttributeDefinitionFactory(programme=programme, name=name, type=kind)
    people = _people(programme, random.Random(7))
    _people(ProgrammeFactory(), random.Random(8))
    return programme, people


def _people(programme: Programme, chance: random.Random) -> dict[int, Person]:
    food, home = (DepartmentFactory(programme=programme, external_id=name) for name in ("food", "home"))
    dairy = CategoryFactory(programme=programme, external_id="dairy", parent=food)
    cheese = CategoryFactory(programme=programme, external_id="cheese", parent=dairy, depth=2)
    lamps = CategoryFactory(programme=programme, external_id="lamps", parent=home)
    products = [
        (ProductFactory(programme=programme, external_id=name, category=category, department=department), above)
        for name, category, department, above in (
            ("brie", cheese, food, {"cheese", "dairy", "food"}),
            ("milk", dairy, food, {"dairy", "food"}),
            ("lamp", lamps, home, {"lamps", "home"}),
        )
    ]
    store = StoreFactory(programme=programme, external_id="north")
    people = {}
    for number in range(60):
        columns = {
            "city": chance.choice(CITIES),
            "status": chance.choice(["active", "active", "inactive"]),
            "birth_date": chance.choice([None, date(1970, 6, 15), date(1985, 6, 15), date(1985, 6, 16)]),
            "joined_at": _moment(chance) if chance.random() < 0.8 else None,
        }
        attributes = {name: chance.choice(values) for name, values in STORED.items() if chance.random() < 0.85}
        member = MemberFactory(
            programme=programme, external_id=f"m{number}", first_name="", attributes=attributes, **columns
        )
        lines = [line for _ in range(chance.choice([0, 0, 1, 2, 5])) for line in _buy(member, products, store, chance)]
        people[member.pk] = Person(columns=columns, attributes=attributes, lines=tuple(lines))
    erased = MemberFactory(programme=programme, external_id="erased", status=Member.Status.ERASED, city="London")
    _buy(erased, products, store, chance)
    return people


def _moment(chance: random.Random) -> datetime:
    if chance.random() < 0.3:
        return chance.choice(EDGES)
    return NOW - timedelta(minutes=chance.randrange(60 * 24 * 40))


def _buy(member: Member, products: list[Any], store: Any, chance: random.Random) -> list[Bought]:
    at, where = _moment(chance), chance.choice([store, None])
    purchase = PurchaseFactory(member=member, purchased_at=at, store=where)
    lines = []
    for product, above in chance.sample(products, chance.choice([1, 2, 3])):
        quantity, amount = chance.choice([(1, 500), (2, 1000), (-1, -500), (1, 0)])
        PurchaseLineFactory(purchase=purchase, product=product, quantity=quantity, amount_minor=amount)
        lines.append(
            Bought(
                purchase=purchase.pk,
                product=product.external_id,
                categories=frozenset(above),
                department=product.department.external_id,
                store=where.external_id if where else None,
                at=at,
                quantity=quantity,
                amount_minor=amount,
            )
        )
    return lines
