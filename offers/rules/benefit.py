"""What the offer is worth: a percentage, an amount, a fixed price, or bonus points."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from loyalty import money
from offers.rules.field import Field
from offers.rules.rule import LARGEST_AMOUNT, Rule

TYPES = (
    ("percent", gettext_lazy("Percent off")),
    ("amount", gettext_lazy("Amount off")),
    ("fixed_price", gettext_lazy("Fixed price")),
    ("bonus_points", gettext_lazy("Bonus points")),
)


class Gain(Rule):
    """What benefits of all types share; a subclass says which types there are."""

    misfits: ClassVar[Mapping[tuple[str, str], str | Promise]] = {
        ("maximum_minor", "not_applicable"): gettext_lazy(
            "only a percentage or a fixed price has a ceiling. Leave it empty."
        ),
    }

    type: str
    size: Annotated[
        int,
        Ge(0),
        Le(LARGEST_AMOUNT),
        Field(
            label=gettext_lazy("Size"),
            type="integer",
            unit_of="type",
            units={"percent": "percent", "amount": "money", "fixed_price": "money", "bonus_points": "points"},
            help=gettext_lazy("A percentage, an amount of money or points, depending on the type."),
        ),
    ]
    maximum_minor: Annotated[
        int | None,
        Ge(1),
        Le(LARGEST_AMOUNT),
        Field(
            label=gettext_lazy("Ceiling"),
            type="integer",
            unit="money",
            help=gettext_lazy("The most that one use takes off, for a percentage or a fixed price. Empty: no ceiling."),
        ),
    ] = None

    def check(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """A percentage ends at 100, only a price may be nothing, and an amount needs no ceiling."""
        if self.type == "percent" and self.size > 100:
            yield "size", "too_large", {"limit": 100}
        if self.type != "fixed_price" and self.size < 1:
            yield "size", "too_small", {"limit": 1}
        if self.type in ("amount", "bonus_points") and self.maximum_minor is not None:
            yield "maximum_minor", "not_applicable", {}

    def worst_case(self, limit: int) -> int:
        """Return the most the benefit can cost over `limit` uses, in minor units; 0 where that is not known.

        An amount is known, and so is whatever has a ceiling. Points are a debt of another kind: 0.
        """
        if self.type == "amount":
            return self.size * limit
        return (self.maximum_minor or 0) * limit


class Benefit(Gain):
    """`size` is whole percents, minor units or points, by `type`; `maximum_minor` caps one use's discount."""

    kind: ClassVar[str] = "benefit"
    label: ClassVar[str | Promise] = gettext_lazy("Benefit")
    help: ClassVar[str | Promise] = gettext_lazy("What the member gets.")
    order: ClassVar[int] = 20
    schema_extra: ClassVar[dict[str, Any]] = {
        "allOf": [
            {
                "if": {"properties": {"type": {"const": "percent"}}},
                "then": {"properties": {"size": {"maximum": 100}}},
            },
            {
                "if": {"properties": {"type": {"enum": ["percent", "amount", "bonus_points"]}}},
                "then": {"properties": {"size": {"minimum": 1}}},
            },
            {
                "if": {"properties": {"type": {"enum": ["amount", "bonus_points"]}}},
                "then": {"properties": {"maximum_minor": {"type": "null"}}},
            },
        ]
    }

    type: Annotated[
        Literal["percent", "amount", "fixed_price", "bonus_points"],
        Field(label=gettext_lazy("Type"), type="choice", choices=TYPES),
    ]

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say the benefit."""
        if self.type == "bonus_points":
            return ngettext("%(points)d bonus point", "%(points)d bonus points", self.size) % {"points": self.size}
        if self.type == "percent":
            text = _("%(size)d %% off") % {"size": self.size}
        elif self.type == "amount":
            text = _("%(amount)s off") % {"amount": money.display(self.size, currency)}
        else:
            text = _("For %(amount)s") % {"amount": money.display(self.size, currency)}
        if self.maximum_minor is None:
            return text
        ceiling = money.display(self.maximum_minor, currency)
        return _("%(benefit)s, at most %(ceiling)s") % {"benefit": text, "ceiling": ceiling}
