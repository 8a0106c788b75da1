"""Members' attributes against their definitions: name and type."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from loyalty import storable
from loyalty.models import AttributeDefinition, ValueType

LONGEST = 2000


def check(
    *, definitions: Mapping[str, AttributeDefinition], values: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the values as they are stored and every problem; null is kept, for the caller to take one away."""
    if values is None:
        return {}, []
    if not isinstance(values, Mapping):
        return {}, [_problem("attributes", "not_an_object", _("Give the attributes as an object keyed by name."))]
    clean: dict[str, Any] = {}
    problems: list[dict[str, Any]] = []
    for name, value in values.items():
        definition = definitions.get(name)
        if definition is None:
            message = _("There is no attribute “%(name)s”. Define it first.") % {"name": name}
            problems.append(_problem(f"attributes.{name}", "unknown_attribute", message))
        elif value is None:
            clean[name] = None
        elif not _is_typed(definition.type, value):
            message = _("Give: %(type)s.") % {"type": definition.get_type_display()}
            problems.append(_problem(f"attributes.{name}", "wrong_type", message))
        elif definition.choices and not set(value if isinstance(value, list) else [value]) <= set(definition.choices):
            message = _("Give one of: %(all)s.") % {"all": ", ".join(definition.choices)}
            problems.append(_problem(f"attributes.{name}", "unknown_choice", message))
        else:
            clean[name] = value
    return clean, problems


def _is_typed(type_: str, value: Any) -> bool:
    match type_:
        case ValueType.TEXT:
            return _is_text(value)
        case ValueType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and not storable.problems(value)
        case ValueType.BOOLEAN:
            return isinstance(value, bool)
        case ValueType.LIST:
            return isinstance(value, list) and all(_is_text(entry) for entry in value)
        case ValueType.DATE:
            try:
                return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
            except ValueError:
                return False
    return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and not storable.UNSTORABLE.search(value)


def _problem(field: str, code: str, message: str) -> dict[str, Any]:
    return {"field": field, "code": code, "message": message}
