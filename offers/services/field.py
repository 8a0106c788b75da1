"""The fields of the two tables: default ones that only change their display name, and own ones (S4-08, S4-11)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty import storable
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, Programme, User
from loyalty.models.attribute import ValueType
from loyalty.services import audit
from offers.models import FieldDefinition
from offers.models.field import DEFAULTS
from offers.services.problem import of_model
from offers.services.problem import problem as describe

Table = FieldDefinition.Table


class InvalidField(InvalidInput):
    """A field's definition is not acceptable; `problems` names each cause."""

    code = "invalid_field"


class DefaultFieldIsFixed(Conflict):
    """A default field changes nothing but its display name, and stays (S4-11)."""

    code = "default_field_is_fixed"


def make_defaults(*, programme: Programme) -> None:
    """Write the default fields of both tables; calling it again changes nothing, display names included."""
    FieldDefinition.objects.bulk_create(
        [
            FieldDefinition(programme=programme, table=table, name=name, type=type_, label=label, is_default=True)
            for table, fields in DEFAULTS.items()
            for name, type_, label in fields
        ],
        ignore_conflicts=True,
    )


@transaction.atomic
def create(
    *,
    programme: Programme,
    table: str,
    name: str,
    type: str,
    label: str,
    actor: User | None,
    api_client: ApiClient | None = None,
) -> FieldDefinition:
    """Add an own field to one of the two tables (S4-11). Raises InvalidField with every problem."""
    field = FieldDefinition(programme=programme, table=table, name=name, type=type, label=label)
    problems = of_model(field, exclude={"programme"})
    defaults = {name for name, _type, _label in DEFAULTS.get(table, [])}
    if name in defaults or FieldDefinition.objects.filter(programme=programme, table=table, name=name).exists():
        problems.append(describe("name", "taken", taken(name)))
    if problems:
        raise InvalidField(_("The field was not saved."), problems=problems)
    field.save()
    audit.record(action="field.created", actor=actor, api_client=api_client, programme=programme, target=field)
    return field


@transaction.atomic
def rename(
    *, field: FieldDefinition, label: str, actor: User | None, api_client: ApiClient | None = None
) -> FieldDefinition:
    """Change a field's display name: the one thing that a default field lets change (S4-11)."""
    old = field.label
    field.label = label.strip()
    if problems := of_model(field, exclude={"programme", "table", "name", "type"}):
        raise InvalidField(_("The field was not saved."), problems=problems)
    field.save(update_fields=["label", "updated_at"])
    audit.record(
        action="field.renamed",
        actor=actor,
        api_client=api_client,
        programme=field.programme,
        target=field,
        data={"label": [old, field.label]},
    )
    return field


@transaction.atomic
def delete(*, field: FieldDefinition, actor: User | None) -> None:
    """Take an own field out; values that were stored under it stay where they are, unshown.

    Raises DefaultFieldIsFixed for a default field (S4-11); the database refuses it too.
    """
    if field.is_default:
        raise DefaultFieldIsFixed(
            _("“%(label)s” is a default field. It cannot be deleted; its display name can be changed.")
            % {"label": field.label}
        )
    audit.record(action="field.deleted", actor=actor, programme=field.programme, target=field)
    field.delete()


def taken(name: str) -> str:
    """Say that a field's name is used already."""
    return _("There is a field “%(name)s” already. Choose another name.") % {"name": name}


def known(*, programme: Programme, table: str) -> dict[str, FieldDefinition]:
    """Return the own fields of a table by name: for whoever checks many things against them."""
    found = FieldDefinition.objects.filter(programme=programme, table=table, is_default=False)
    return {field.name: field for field in found}


def check(
    *,
    programme: Programme,
    table: str,
    values: Mapping[str, Any],
    fields: Mapping[str, FieldDefinition] | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the values as they are stored, and the problems of those that are not acceptable.

    Null and empty text leave a field out. Only own fields may be given: default ones have columns of their own.
    Without `fields` (see `known`) the database is asked for them.
    """
    if not isinstance(values, Mapping):
        return {}, [describe("fields", "not_an_object", _("Give the extra fields as an object keyed by name."))]
    if not values:
        return {}, []
    if fields is None:
        fields = known(programme=programme, table=table)
    stored: dict[str, Any] = {}
    problems: list[dict[str, Any]] = []
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            message = _("There is no extra field “%(name)s”. Add it to the table first.") % {"name": name}
            problems.append(describe(f"fields.{name}", "unknown_field", message))
        elif value is None or value == "":
            continue
        elif (clean := _typed(field.type, value)) is None:
            message = _("“%(label)s” has to be: %(type)s.") % {"label": field.label, "type": field.get_type_display()}
            problems.append(describe(f"fields.{name}", "wrong_type", message))
        elif unstorable := storable.problems(clean, place=f"fields.{name}"):
            problems += [describe(*found) for found in unstorable]
        else:
            stored[name] = clean
    return stored, problems


def _typed(type_: str, value: Any) -> Any:
    """Return the value as JSON keeps it, or None where it is not of the type."""
    if type_ == ValueType.TEXT:
        return value if isinstance(value, str) else None
    if type_ == ValueType.NUMBER:
        if isinstance(value, Decimal) and value.is_finite():
            return int(value) if value == value.to_integral_value() else float(value)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if type_ == ValueType.BOOLEAN:
        return value if isinstance(value, bool) else None
    if type_ == ValueType.DATE:
        try:
            return (value if isinstance(value, date) else date.fromisoformat(value)).isoformat()
        except (TypeError, ValueError):
            return None
    is_list = isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value)
    return list(value) if is_list else None
