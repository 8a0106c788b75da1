"""What the builder of criteria offers to choose from: fields, operators, and values from real data."""

from collections.abc import Collection
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty import money, whole_number
from loyalty.database import rows
from loyalty.models import Category, Product, ProductGroup, Programme, Store
from offers.models import Campaign, ConfigOffer, OfferTemplate
from offers.selectors import member_list
from offers.selectors import targeting as selector
from offers.targeting import Attribute, Column, naming, operators

SUGGESTIONS = 12
SUBJECTS = {
    "purchases": _("Purchases"),
    "assignments": _("Offers given"),
    "redemptions": _("Offers redeemed"),
}


def description(programme: Programme) -> dict[str, Any]:
    """Return the builder's choices as plain values: groups of fields, measures, dimensions, operators by type."""
    catalogue = selector.catalogue(programme)
    groups: dict[str, list[dict[str, Any]]] = {}
    for field in catalogue.fields.values():
        groups.setdefault(str(field.group), []).append(
            {
                "key": field.key,
                "label": str(field.label),
                "type": field.type,
                "choices": [[value, str(label)] for value, label in field.choices],
                "operators": list(operators.BY_TYPE[field.type]),
            }
        )
    return {
        "groups": [{"label": label, "fields": fields} for label, fields in groups.items()],
        "subjects": [
            {
                "key": subject,
                "label": str(SUBJECTS[subject]),
                "measures": [
                    {"key": key, "label": str(label), "type": _type(key), "operators": list(operators.by_measure(key))}
                    for key, label in measures.items()
                ],
                "dimensions": [
                    {"key": key, "label": str(one.label)} for key, one in catalogue.dimensions_of(subject).items()
                ],
            }
            for subject, measures in operators.MEASURES.items()
        ],
        "operators": {key: str(label) for key, label in operators.LABELS.items()},
        # Both ways: what says the opposite of what.
        "complements": {**operators.COMPLEMENTS, **{of: one for one, of in operators.COMPLEMENTS.items()}},
        "without_value": sorted(operators.WITHOUT_VALUE),
        "with_list": sorted(operators.WITH_LIST),
        "with_days": sorted(operators.WITH_DAYS),
        "currency": programme.currency,
        "minor_digits": money.digits(programme.currency),
    }


def _type(measure: str) -> str:
    return "money" if measure in operators.MONEY else "date" if measure in operators.DAYS else "number"


def names(programme: Programme, tree: Any) -> dict[str, str]:
    """Return `dimension:id` -> name for the ids that a stored tree speaks of, so that the builder can show names.

    Other targetings are named `targeting:id`, lists `list:id`.
    """
    dimensions = selector.catalogue(programme).dimensions
    found = {key: ids for key, ids in naming.ids(tree).items() if key in dimensions}
    named = {f"{key}:{one}": name for key, ids in found.items() for one, name in dimensions[key].names(ids).items()}
    targetings = {pk for pk, _number in naming.targetings(tree)}
    chosen = selector.saved(programme).filter(pk__in=targetings).values_list("pk", "name")
    uploaded = member_list.names(programme, naming.lists(tree))
    return (
        named | {f"targeting:{pk}": name for pk, name in chosen} | {f"list:{pk}": name for pk, name in uploaded.items()}
    )


def _named_things(programme: Programme) -> dict[str, QuerySet[Any]]:
    """Return what criteria name, by dimension; other targetings as `targeting`, lists as `list`."""
    models: dict[str, QuerySet[Any]] = {
        "departments": Category.objects.filter(depth=0),
        "categories": Category.objects.all(),
        "products": Product.objects.all(),
        "groups": ProductGroup.objects.all(),
        "stores": Store.objects.all(),
        "offers": ConfigOffer.objects.exclude(state="archived"),
        "templates": OfferTemplate.objects.filter(archived_at__isnull=True),
        "campaigns": Campaign.objects.filter(is_of_run=False),
        "targeting": selector.saved(programme),
        "list": member_list.saved(programme),
    }
    return {key: found.filter(programme=programme) for key, found in models.items()}


def _column(key: str) -> str:
    return {"offers": "offer_reference", "targeting": "pk", "list": "pk"}.get(key, "external_id")


def named(*, programme: Programme, key: str, ids: Collection[str]) -> list[tuple[str, str]]:
    """Return those of the ids of a dimension, or of targetings, that exist, with their names."""
    things = _named_things(programme)
    if key not in things:
        return []
    column = _column(key)
    known = [one for one in ids if _column(key) != "pk" or whole_number.read(one) is not None]
    found = things[key].filter(**{f"{column}__in": known}).values_list(column, "name")
    return [(str(one), name) for one, name in found]


def suggestions(*, programme: Programme, key: str, text: str) -> list[tuple[str, str]]:
    """Return up to a dozen values with their names: of a purchase dimension, or of a text field as members have it."""
    things = _named_things(programme)
    if key in things:
        found, column = things[key], _column(key)
        for word in text.split():
            found = found.filter(Q(name__icontains=word) | Q(**{f"{column}__startswith": word}))
        named = found.exclude(**{f"{column}__isnull": True}).order_by("name", column).values_list(column, "name")
        return [(str(one), name) for one, name in named[:SUGGESTIONS]]
    field = selector.catalogue(programme).fields.get(key)
    if field is None or field.type not in ("text", "list"):
        return []
    if isinstance(field.source, Attribute):
        source = "member.attributes ->> %(name)s"
        if field.type == "list":
            source = (
                "jsonb_array_elements_text(CASE WHEN jsonb_typeof(member.attributes -> %(name)s) = 'array' "
                "THEN member.attributes -> %(name)s ELSE '[]' END)"
            )
    elif isinstance(field.source, Column):
        source = f"member.{field.source.name}"
    else:
        return []
    # A bounded look at the table: these are hints, not a report.
    values = rows(
        f"""
        SELECT value, count(*) AS n
          FROM (SELECT {source} AS value FROM loyalty_member AS member
                 WHERE member.programme_id = %(programme)s LIMIT 50000) AS seen
         WHERE value <> '' AND value ILIKE %(like)s ESCAPE '!'
         GROUP BY value ORDER BY n DESC, value LIMIT %(most)s
        """,
        {
            "name": getattr(field.source, "name", ""),
            "programme": programme.pk,
            "like": f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%",
            "most": SUGGESTIONS,
        },
    )
    return [(row["value"], "") for row in values]
