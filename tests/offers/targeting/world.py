"""A small seeded world for criteria: members of two programmes with every awkward value, and their purchases."""

import dataclasses
import hashlib
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from loyalty.database import rows
from loyalty.models import Channel, Consent, Member, Programme
from offers.models import Assignment, MemberList, Redemption, Source, Targeting
from offers.services import member_list
from tests.factories import (
    AttributeDefinitionFactory,
    CampaignFactory,
    CategoryFactory,
    ConfigOfferFactory,
    DepartmentFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProductFactory,
    ProgrammeFactory,
    PurchaseFactory,
    PurchaseLineFactory,
    StoreFactory,
    TargetingFactory,
)
from tests.offers.targeting.reference import Bought, Given, Judge, Person

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
# Channels in use, with the column of the address that each needs; `app` is out of use here.
CHANNELS = {"email": "email", "sms": "phone", "push": ""}
KINDS_OF_CONSENT = [*CHANNELS, "app"]
KINDS |= {f"consent.{code}": "choice" for code in KINDS_OF_CONSENT}
KINDS |= {f"reachable.{code}": "boolean" for code in KINDS_OF_CONSENT}
# Other targetings, which may be named in criteria: one of them names another.
SAVED: dict[str, Any] = {
    "londoners": {"field": "member.city", "is": "starts_with", "value": "lon"},
    "buyers": {
        "op": "or",
        "items": [{"purchases": "count", "is": "greater", "value": 0}, {"targeting": "londoners"}],
    },
}
MINUTE = timedelta(minutes=1)
KEYS = ["spring", "summer"]
# Uploaded lists of every second and every third of them.
LISTS = ["odd", "third"]
JUDGE = Judge(now=NOW, zone=ZONE, types=ATTRIBUTES, saved=SAVED)

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
    for name, tree in SAVED.items():
        TargetingFactory(programme=programme, name=name, criteria=resolved(tree, programme))
    people = _listed(programme, _people(programme, random.Random(7)))
    _people(ProgrammeFactory(), random.Random(8))
    return programme, people


def resolved(tree: Any, programme: Programme) -> Any:
    """Return the tree with the ids of the targetings that it names."""
    if isinstance(tree, dict) and "targeting" in tree:
        return {"targeting": Targeting.objects.get(programme=programme, name=tree["targeting"]).pk}
    if isinstance(tree, dict) and "list" in tree:
        return {"list": MemberList.objects.get(programme=programme, name=tree["list"]).pk}
    if isinstance(tree, dict) and "items" in tree:
        return tree | {"items": [resolved(item, programme) for item in tree["items"]]}
    return tree


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
    offers = [ConfigOfferFactory(programme=programme, offer_reference=name) for name in ("coffee", "tea")]
    extra = OfferTemplateFactory(programme=programme, config_offer=offers[0], external_id="coffee-extra")
    offers = [(offers[0], extra), (offers[0], None), (offers[1], None)]
    campaigns = [CampaignFactory(programme=programme, external_id=name) for name in ("spring", "summer")]
    # A lot of their own: what else is planted stays as it was.
    consents, lot = _Consents(programme), random.Random(9)
    people = {}
    for number in range(60):
        columns = {
            "city": chance.choice(CITIES),
            "status": chance.choice(["active", "active", "inactive"]),
            "birth_date": chance.choice([None, date(1970, 6, 15), date(1985, 6, 15), date(1985, 6, 16)]),
            "joined_at": _moment(chance) if chance.random() < 0.8 else None,
            "email": lot.choice(["", "ada@example.com"]),
            "phone": lot.choice(["", "+15550000000"]),
        }
        attributes = {name: chance.choice(values) for name, values in STORED.items() if chance.random() < 0.85}
        member = MemberFactory(
            programme=programme, external_id=f"m{number}", first_name="", attributes=attributes, **columns
        )
        lines = [line for _ in range(chance.choice([0, 0, 1, 2, 5])) for line in _buy(member, products, store, chance)]
        given, redeemed = _give(member, offers, campaigns, chance)
        people[member.pk] = Person(
            columns=columns,
            attributes=attributes,
            lines=tuple(lines),
            given=tuple(given),
            redeemed=tuple(redeemed),
            consents=consents.draw(member, lot),
            channels=CHANNELS,
            places={key: _place(member.pk, key) for key in KEYS},
        )
    erased = MemberFactory(programme=programme, external_id="erased", status=Member.Status.ERASED, city="London")
    _buy(erased, products, store, chance)
    return people


class _Consents:
    """Members say yes, no, or nothing; a channel out of use has what it was told."""

    def __init__(self, programme: Programme) -> None:
        Channel.objects.filter(programme=programme, code="app").update(is_active=False)
        self.channels = dict(Channel.objects.filter(programme=programme).values_list("code", "pk"))

    def draw(self, member: Member, lot: random.Random) -> dict[str, str]:
        said = {code: word for code in KINDS_OF_CONSENT if (word := lot.choice(["given", "given", "refused", ""]))}
        Consent.objects.bulk_create(
            Consent(
                member=member, channel_id=self.channels[code], is_granted=word == "given", changed_at=NOW, source="test"
            )
            for code, word in said.items()
        )
        return said


def _listed(programme: Programme, people: dict[int, Person]) -> dict[int, Person]:
    """Upload two lists, as a marketer would, and say of everybody in which she stands."""
    for name, every in (("odd", 2), ("third", 3)):
        ids = [f"m{number}" for number in range(60) if number % every == 1] + ["nobody"]
        member_list.upload(
            programme=programme, name=name, file=member_list.of_ids(ids), file_name="ids.csv", actor=None
        )
    numbers = {pk: int(key[1:]) for pk, key in Member.objects.filter(pk__in=people).values_list("pk", "external_id")}
    return {
        pk: dataclasses.replace(
            person, lists=frozenset(name for name, every in (("odd", 2), ("third", 3)) if numbers[pk] % every == 1)
        )
        for pk, person in people.items()
    }


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


def _give(
    member: Member, offers: list[Any], campaigns: list[Any], chance: random.Random
) -> tuple[list[Given], list[Given]]:
    given, redeemed = [], []
    for _ in range(chance.choice([0, 0, 1, 2, 4])):
        (offer, template), campaign, at = chance.choice(offers), chance.choice([*campaigns, None]), _moment(chance)
        fate = chance.choice(["open", "open", "revoked", "used_up", "closed", "expired"])
        is_accepted = chance.random() < 0.4
        row = Assignment.objects.create(
            member=member,
            config_offer=offer,
            revision=offer.current_revision,
            template=template or offer.templates.get(is_default=True),
            campaign=campaign,
            source=Source.API,
            issued_at=at,
            accepted_at=at if is_accepted else None,
            ends_at=NOW - timedelta(minutes=1)
            if fate == "expired"
            else chance.choice([None, NOW + timedelta(minutes=1)]),
            **({f"{fate}_at": NOW} if fate in ("revoked", "used_up", "closed") else {}),
        )
        told = Given(
            offer=offer.offer_reference,
            template=template.external_id if template else None,
            campaign=campaign.external_id if campaign else None,
            at=at,
            is_revoked=fate == "revoked",
            is_over=fate != "open",
            is_accepted=is_accepted,
        )
        given.append(told)
        for _ in range(chance.choice([0, 0, 1, 2])):
            used, benefit = _moment(chance), chance.choice([None, 0, 100, 250])
            Redemption.objects.create(
                programme=member.programme,
                member=member,
                config_offer=offer,
                assignment=row,
                external_id=f"r-{chance.randrange(10**12)}",
                redeemed_at=used,
                benefit_minor=benefit,
            )
            redeemed.append(dataclasses.replace(told, at=used, benefit_minor=benefit))
    return given, redeemed


def _place(member_id: int, key: str) -> int:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)
    sql = "SELECT (hashint8extended(%s, %s) & 9223372036854775807) %% 10000 AS place"
    return int(rows(sql, [member_id, seed])[0]["place"])
