"""What the data does not have and a programme does: offers for everyone, templates for the desk, saved targetings."""

import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from loyalty.models import Category, Programme, User
from offers.models import ConfigOffer, FieldDefinition, OfferTemplate, Targeting
from offers.services import catalogue, field, targeting, template, voucher
from offers.services.demo.voucher import code

# table, name, type, display name: the source's own examples of fields that a programme adds (S4-11).
FIELDS = (
    (FieldDefinition.Table.ASSIGNMENTS, "offer_validity", "date", "offerValidity"),
    (FieldDefinition.Table.ASSIGNMENTS, "voucher_burned", "boolean", "voucherBurned"),
    (FieldDefinition.Table.OFFERS, "theme", "text", "Theme"),
)
EVERYONE_DAYS = 365
HOUSE: dict[str, dict[str, Any]] = {
    "fresh-tenth": {
        "audience": "everyone",
        "name": "10% off fruit and vegetables",
        "description": "Every day, for all members: a tenth off everything fresh from field and orchard.",
        "image": "produce",
        "terms": {
            "benefit": {"type": "percent", "size": 10, "maximum_minor": 500},
            "products": {"categories": ["produce"]},
            "redemption_limit": {"limit": 50},
        },
    },
    "big-basket": {
        "audience": "everyone",
        "name": "200 bonus points on a full basket",
        "description": "Fill up the pantry: 200 points on top for a purchase of $60 or more.",
        "image": "pantry",
        "terms": {
            "benefit": {"type": "bonus_points", "size": 200},
            "minimum_spend": {"amount_minor": 6000},
            "redemption_limit": {"limit": 12},
        },
    },
    "oven-fresh": {
        "audience": "everyone",
        "name": "Anything from the oven for $1.99",
        "description": "Bread, rolls and sweet things from our own bakery.",
        "image": "bakery",
        "terms": {
            "benefit": {"type": "fixed_price", "size": 199},
            "products": {"categories": ["pastry"]},
            "redemption_limit": {"limit": 4},
            "channels": {"channels": ["store"]},
        },
    },
    "we-miss-you": {
        "name": "We miss you: $5 off your next basket",
        "description": "It has been a while. Come by, the first $5 are on us.",
        "image": "gift",
        "repeat_policy": "one_open",
        "terms": {
            "validity": {"days": 21},
            "benefit": {"type": "amount", "size": 500},
            "minimum_spend": {"amount_minor": 2500},
        },
    },
    "with-apologies": {
        "name": "With our apologies",
        "description": "Something went wrong, and we are sorry. This one is on us.",
        "image": "gift",
        "repeat_policy": "unlimited",
        "terms": {"validity": {"days": 60}, "benefit": {"type": "amount", "size": 300}},
    },
    "happy-birthday": {
        "name": "Happy birthday: 15% off everything",
        "description": "Your day, your discount.",
        "image": "gift",
        "repeat_policy": "one_open",
        "terms": {
            "validity": {"days": 14},
            "benefit": {"type": "percent", "size": 15, "maximum_minor": 1500},
            "acceptance": {"required": True},
        },
    },
    "web-shop-welcome": {
        "name": "$10 off your first web shop order",
        "description": "Type the code in at the checkout; delivery is on us, too.",
        "image": "gift",
        "repeat_policy": "once_ever",
        "require_vouchers": True,
        "is_bearer": True,
        "terms": {
            "validity": {"days": 30},
            "benefit": {"type": "amount", "size": 1000},
            "minimum_spend": {"amount_minor": 4000},
            "channels": {"channels": ["web"]},
        },
    },
}
# external id: (offer, name, description, required rules)
TEMPLATES: dict[str, tuple[str, str, str, list[str]]] = {
    "win-back": ("we-miss-you", "Win-back", "For members who stayed away.", ["validity", "benefit"]),
    "make-good": ("with-apologies", "Make good", "For the desk, after a mishap.", ["validity", "benefit"]),
    "birthday": ("happy-birthday", "Birthday treat", "In the week of the birthday.", ["validity"]),
}
TARGETINGS: dict[str, dict[str, Any]] = {
    "Spent over 30 on soft drinks in the last 90 days": {
        "op": "and",
        "items": [
            {
                "purchases": "amount",
                "where": {"categories": ["grocery.soft-drinks"], "last_days": 90},
                "is": "greater",
                "value": 3000,
            }
        ],
    },
    "Stayed away for six weeks": {
        "op": "and",
        "items": [{"purchases": "count", "where": {"last_days": 42}, "is": "less", "value": 1}],
    },
    "Gold members who bought in the last two weeks": {
        "op": "and",
        "items": [
            {"field": "member.tier", "is": "equals", "value": "gold"},
            {"purchases": "count", "where": {"last_days": 14}, "is": "greater_or_equal", "value": 1},
        ],
    },
    "Families, or buyers of cheese": {
        "op": "and",
        "items": [
            {
                "op": "or",
                "items": [
                    {"field": "attribute.children", "is": "greater_or_equal", "value": 1},
                    {
                        "purchases": "units",
                        "where": {"categories": ["grocery.cheese"], "last_days": 60},
                        "is": "greater_or_equal",
                        "value": 3,
                    },
                ],
            },
            {
                "op": "and",
                "not": True,
                "items": [{"field": "attribute.age_band", "is": "equals", "value": "65+"}],
            },
        ],
    },
}
WELCOME_CODES = 1000


def load(*, programme: Programme, actor: User, now: datetime) -> int:
    """Make what is missing, through the services; returns how many of the house's offers there are."""
    field.make_defaults(programme=programme)
    for table, name, kind, label in FIELDS:
        if not FieldDefinition.objects.filter(programme=programme, table=table, name=name).exists():
            field.create(programme=programme, table=table, name=name, type=kind, label=label, actor=actor)
    for reference, values in HOUSE.items():
        _offer(programme, reference, values, actor, now)
    for external_id, (reference, name, description, required) in TEMPLATES.items():
        if not OfferTemplate.objects.filter(programme=programme, external_id=external_id).exists():
            offer = ConfigOffer.objects.get(programme=programme, offer_reference=reference)
            values = {
                "config_offer": offer,
                "external_id": external_id,
                "name": name,
                "description": description,
                "required_rules": required,
            }
            template.create(programme=programme, values=values, actor=actor)
    for name, criteria in TARGETINGS.items():
        if not Targeting.objects.filter(programme=programme, name=name, archived_at=None).exists():
            targeting.create(programme=programme, name=name, criteria=criteria, actor=actor)
    return ConfigOffer.objects.filter(programme=programme, offer_reference__in=list(HOUSE)).count()


@transaction.atomic
def _offer(programme: Programme, reference: str, values: Mapping[str, Any], actor: User, now: datetime) -> None:
    """Make and publish one of the house's offers, with codes where it needs them."""
    if ConfigOffer.objects.filter(programme=programme, offer_reference=reference).exists():
        return
    given = {name: value for name, value in values.items() if name != "image"}
    if given.get("audience") == "everyone":
        today = now.astimezone(programme.zone).date()
        until = today + timedelta(days=EVERYONE_DAYS)
        given["terms"] = given["terms"] | {"validity": {"starts_at": today.isoformat(), "ends_at": until.isoformat()}}
    given["terms"] = given["terms"] | _known_products(programme, given["terms"])
    offer = catalogue.create(
        programme=programme,
        values=given
        | {
            "offer_reference": reference,
            "image_url": f"{settings.STATIC_URL}offers/demo/{values['image']}.svg",
            "fields": {"theme": "house"},
        },
        actor=actor,
    )
    catalogue.publish(offer=offer, actor=actor, now=now)
    if offer.require_vouchers:
        offer.refresh_from_db()
        voucher.import_file(
            bank=offer.voucher_bank,
            file=io.BytesIO("".join(f"{code(reference, number)}\n" for number in range(WELCOME_CODES)).encode()),
            file_name=f"{reference}.txt",
            expires_at=None,
            actor=actor,
            now=now,
        )


def _known_products(programme: Programme, terms: Mapping[str, Any]) -> dict[str, Any]:
    """A small cut of the data may lack a category: leave the rule out rather than name what is not there."""
    wanted = terms.get("products", {}).get("categories", [])
    known = Category.objects.filter(programme=programme, external_id__in=wanted).values_list("external_id", flat=True)
    return {"products": {"categories": sorted(known)}} if known else {}
