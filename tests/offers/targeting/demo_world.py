"""The demo as plain values, and criteria drawn by lot from what is in it: for the slow reference over real data."""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from loyalty.models import AttributeDefinition, Category, Member, Product, ProductGroup, Programme, PurchaseLine
from offers.models import Assignment, Redemption
from offers.targeting import operators
from tests.offers.targeting.reference import Bought, Given, Judge, Person

COLUMNS = {
    "tier": "text",
    "city": "text",
    "status": "choice",
    "gender": "text",
    "birth_date": "date",
    "joined_at": "moment",
}


@dataclass(frozen=True)
class World:
    """Everybody by id, the judge of now, and what can be spoken of."""

    programme: Programme
    judge: Judge
    people: dict[int, Person]
    kinds: dict[str, str]
    ids: dict[str, list[str]]


def read(programme: Programme, now: datetime) -> World:
    """Read the programme into memory, without any of the SQL that is to be judged."""
    definitions = AttributeDefinition.objects.filter(programme=programme)
    types = {one.name: str(one.type) for one in definitions}
    lines, given, redeemed = _lines(programme), defaultdict(list), defaultdict(list)
    for one in Assignment.objects.filter(member__programme=programme).select_related(
        "config_offer", "template", "campaign"
    ):
        given[one.member_id].append(_given(one, one.issued_at, now))
    for use in Redemption.objects.filter(programme=programme).select_related(
        "config_offer", "assignment__template", "assignment__campaign"
    ):
        redeemed[use.member_id].append(_redeemed(use))
    people = {
        member.pk: Person(
            columns={name: getattr(member, name) for name in COLUMNS},
            attributes=member.attributes,
            lines=tuple(lines[member.pk]),
            given=tuple(given[member.pk]),
            redeemed=tuple(redeemed[member.pk]),
        )
        for member in Member.objects.filter(programme=programme).exclude(status="erased")
    }
    bought = [line for one in lines.values() for line in one]
    told = [one for some in given.values() for one in some]
    ids = {
        "products": sorted({line.product for line in bought}),
        "categories": sorted({one for line in bought for one in line.categories}),
        "departments": sorted({line.department for line in bought if line.department}),
        "stores": sorted({line.store for line in bought if line.store}),
        "groups": sorted({one for line in bought for one in line.groups}),
        "offers": sorted({one.offer for one in told}),
        "campaigns": sorted({one.campaign for one in told if one.campaign}),
    }
    kinds = {f"member.{name}": kind for name, kind in COLUMNS.items()}
    kinds |= {f"attribute.{one.name}": "choice" if one.choices else str(one.type) for one in definitions}
    return World(programme, Judge(now=now, zone=programme.zone, types=types), people, kinds, ids)


def _lines(programme: Programme) -> dict[int, list[Bought]]:
    above = {pk: (external_id, parent) for pk, external_id, parent in Category.objects.filter(
        programme=programme).values_list("pk", "external_id", "parent_id")}  # fmt: skip

    def path(pk: int | None) -> frozenset[str]:
        found = set()
        while pk is not None:
            name, pk = above[pk]
            found.add(name)
        return frozenset(found)

    groups = defaultdict(set)
    for group in ProductGroup.objects.filter(programme=programme).prefetch_related("products"):
        for product in group.products.all():
            groups[product.pk].add(group.external_id)
    products = {
        product.pk: (
            product.external_id,
            path(product.category_id),
            above[product.department_id][0] if product.department_id else "",
            frozenset(groups[product.pk]),
        )
        for product in Product.objects.filter(programme=programme)
    }
    found = defaultdict(list)
    for line in PurchaseLine.objects.filter(member__programme=programme).select_related("store"):
        name, categories, department, within = products[line.product_id]
        found[line.member_id].append(
            Bought(
                purchase=line.purchase_id,
                product=name,
                categories=categories,
                department=department,
                store=line.store.external_id if line.store else None,
                at=line.purchased_at,
                quantity=line.quantity,
                amount_minor=line.amount_minor,
                groups=within,
            )
        )
    return found


def _given(one: Assignment, at: datetime, now: datetime, benefit: int | None = None) -> Given:
    return Given(
        offer=one.config_offer.offer_reference,
        template=one.template.external_id,
        campaign=one.campaign.external_id if one.campaign else None,
        at=at,
        is_revoked=one.revoked_at is not None,
        is_over=bool(one.used_up_at or one.closed_at or (one.ends_at and one.ends_at <= now)),
        is_accepted=one.accepted_at is not None,
        benefit_minor=benefit,
    )


def _redeemed(use: Redemption) -> Given:
    one = use.assignment
    return Given(
        offer=use.config_offer.offer_reference,
        template=one.template.external_id if one else None,
        campaign=one.campaign.external_id if one and one.campaign else None,
        at=use.redeemed_at,
        benefit_minor=use.benefit_minor,
    )


def tree(world: World, chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """Draw a criteria tree; its values are those of members, receipts and offers of the data."""
    if depth == 0 or (depth < 3 and chance.random() < 0.35):
        found: dict[str, Any] = {
            "op": chance.choice(["and", "or"]),
            "items": [tree(world, chance, depth + 1) for _ in range(chance.choice([1, 2, 2, 3]))],
        }
        return found | ({"not": True} if chance.random() < 0.25 else {})
    return chance.choice([_comparison, _history, _history])(world, chance)


def _comparison(world: World, chance: random.Random) -> dict[str, Any]:
    key = chance.choice(sorted(world.kinds))
    where, name = key.split(".")
    kind = world.kinds[key]
    values = [
        person.columns[name] if where == "member" else person.attributes.get(name) for person in world.people.values()
    ]
    values = [one for one in values if one not in (None, "", [])]
    operator = chance.choice(operators.BY_TYPE[kind] if values else ("exists", "not_exists"))

    def one() -> Any:
        value = chance.choice(values)
        if isinstance(value, list):
            return chance.choice(value)
        if isinstance(value, datetime):
            return value.astimezone(world.judge.zone).date().isoformat()
        return value.isoformat() if isinstance(value, date) else value

    return {"field": key, "is": operator} | _value(operator, one, chance)


def _value(operator: str, one: Any, chance: random.Random) -> dict[str, Any]:
    if operator in operators.WITHOUT_VALUE:
        return {}
    if operator in operators.WITH_DAYS:
        return {"value": chance.choice([7, 30, 365])}
    if operator in operators.WITH_LIST:
        return {"value": list(dict.fromkeys(one() for _ in range(3)))}
    if operator == "between":
        return {"value": sorted([one(), one()])}
    return {"value": one()}


def _history(world: World, chance: random.Random) -> dict[str, Any]:
    subject = chance.choice(["purchases", "purchases", "assignments", "redemptions"])
    measure = chance.choice(sorted(operators.MEASURES[subject]))
    operator = chance.choice(operators.by_measure(measure))
    where: dict[str, Any] = {}
    dimensions = ["departments", "categories", "products", "groups", "stores"]
    for key in dimensions if subject == "purchases" else ["offers", "campaigns"]:
        if world.ids[key] and chance.random() < 0.3:
            where[key] = sorted(set(chance.choices(world.ids[key], k=chance.choice([1, 3]))))
    first = world.judge.today - timedelta(days=chance.choice([10, 30, 60]))
    where |= chance.choice(
        [{}, {"last_days": chance.choice([7, 30, 90])}, {"from": first.isoformat()}, {"to": first.isoformat()}]
    )
    least = operators.smallest(measure, operator) or 0
    numbers = {"amount": [0, 500, 3000, 10_000], "benefit": [0, 100, 1000], "recency_days": [1, 5, 20]}

    def one() -> Any:
        if measure in operators.DAYS:
            return (world.judge.today - timedelta(days=chance.randrange(90))).isoformat()
        return max(least, chance.choice(numbers.get(measure, [0, 1, 2, 5, 20])))

    return {subject: measure} | ({"where": where} if where else {}) | {"is": operator} | _value(operator, one, chance)
