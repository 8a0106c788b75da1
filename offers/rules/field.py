"""How one parameter of a rule is described: the one source of forms, CSV headers and schema texts (B-15).

A `Field` stands as metadata on a rule's annotated attribute. Name, requiredness and bounds are read from the
model itself, so they cannot disagree with the validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, cast

from annotated_types import Ge, Le
from django.utils.functional import Promise
from pydantic.fields import FieldInfo

Type = Literal["integer", "moment", "choice", "list", "boolean"]
# What an integer counts. "money" is minor units of the programme's currency.
Unit = Literal["", "money", "percent", "points", "days", "times"]


# Compared by identity: comparing or hashing lazy labels would translate them before Django is ready.
@dataclass(frozen=True, eq=False)
class Field:
    """One parameter: what a form, a file's header or a schema says about it.

    `choices` are pairs of value and label; with `is_open` they are only suggestions. Where the unit depends
    on another field of the same rule, `unit_of` names that field and `units` maps its values to units.
    """

    label: str | Promise
    type: Type
    help: str | Promise = ""
    unit: Unit = ""
    unit_of: str = ""
    units: Mapping[str, Unit] = field(default_factory=lambda: MappingProxyType({}))
    choices: tuple[tuple[str, str | Promise], ...] = ()
    is_open: bool = False
    name: str = ""
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None

    def unit_for(self, values: Mapping[str, Any]) -> Unit:
        """Return the unit, given the values of the same rule's fields."""
        return self.units.get(str(values.get(self.unit_of)), "") if self.unit_of else self.unit


def described(name: str, info: FieldInfo) -> Field:
    """Return the description of a model's attribute, completed with what the model itself says."""
    own = next(item for item in info.metadata if isinstance(item, Field))
    minimum = next((cast(int, item.ge) for item in info.metadata if isinstance(item, Ge)), None)
    maximum = next((cast(int, item.le) for item in info.metadata if isinstance(item, Le)), None)
    return replace(own, name=name, required=info.is_required(), minimum=minimum, maximum=maximum)
