"""What the builder of criteria offers to choose from: fields, operators, and values from real data."""

from typing import Any

from django.db.models import Q

from loyalty import money
from loyalty.database import rows
from loyalty.models import Category, Product, ProductGroup, Programme, Store
from offers.selectors import targeting as selector
from offers.targeting import Attribute, operators

SUGGESTIONS = 12


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
        "measures": [
            {"key": key, "label": str(label), "operators": list(operators.BY_MEASURE[key])}
            for key, label in operators.MEASURES.items()
        ],
        "dimensions": [{"key": key, "label": str(d.label)} for key, d in catalogue.dimensions.items()],
        "operators": {key: str(label) for key, label in operators.LABELS.items()},
        "without_value": sorted(operators.WITHOUT_VALUE),
        "with_list": sorted(operators.WITH_LIST),
        "with_days": sorted(operators.WITH_DAYS),
        "currency": programme.currency,
        "minor_digits": money.digits(programme.currency),
    }


def names(programme: Programme, tree: Any) -> dict[str, str]:
    """Return `dimension:id` -> name for the ids that a stored tree speaks of, so that the builder can show names."""
    dimensions = selector.catalogue(programme).dimensions
    found: dict[str, set[str]] = {}
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        waiting += node.get("items") or []
        for key, ids in (node.get("where") or {}).items():
            if key in dimensions and isinstance(ids, list):
                found.setdefault(key, set()).update(str(one) for one in ids)
    return {f"{key}:{one}": name for key, ids in found.items() for one, name in dimensions[key].names(ids).items()}


def suggestions(*, programme: Programme, key: str, text: str) -> list[tuple[str, str]]:
    """Return up to a dozen values with their names: of a purchase dimension, or of a text field as members have it."""
    models = {
        "departments": Category.objects.filter(depth=0),
        "categories": Category.objects.all(),
        "products": Product.objects.all(),
        "groups": ProductGroup.objects.all(),
        "stores": Store.objects.all(),
    }
    if key in models:
        found = models[key].filter(programme=programme)
        for word in text.split():
            found = found.filter(Q(name__icontains=word) | Q(external_id__startswith=word))
        return list(found.order_by("name", "external_id").values_list("external_id", "name")[:SUGGESTIONS])
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
    else:
        source = f"member.{field.source.name}"
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
