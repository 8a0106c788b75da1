"""Terms of each member's own: on products, groups, categories or receipts, each with its benefit (S1-01..14).

The offer says on what (`mechanic`); what stands in it for a member comes with her attribute (`personal_offer`), is set
by its import and replaces the rule's value. Here ids are external ones, whichever way they were given.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic import Field as Constraints
from pydantic_core import PydanticCustomError

from loyalty import money
from offers.rules import field, moment
from offers.rules.benefit import TYPES, Gain
from offers.rules.external_id import ExternalId
from offers.rules.field import Field
from offers.rules.moment import Moment
from offers.rules.rule import LARGEST_AMOUNT, Rule
from offers.rules.validity import is_backwards

# More than anybody reads through, and more than an analyst sends.
MOST_ITEMS = 200
MOST_THRESHOLDS = 20
MOST_COUPONS = 100

RECEIPT = "receipt"
MECHANICS = (
    ("products", gettext_lazy("Products")),
    ("groups", gettext_lazy("Product groups")),
    ("categories", gettext_lazy("Categories")),
    (RECEIPT, gettext_lazy("The receipt's amount")),
)
# "Benefit type (discount or points) is set for all threshold values": S1-14.
ON_RECEIPTS = ("percent", "amount", "bonus_points")
COUPON = "coupon"
Mechanic = Literal["products", "groups", "categories", "receipt"]
Amount = Annotated[int, Ge(1), Le(LARGEST_AMOUNT)]


class ItemBenefit(Gain):
    """A benefit as everywhere, or coupons: `size` of them, each of the offer that `offer_reference` names (S1-03).

    Not a kind of rule: it stands inside one.
    """

    type: Annotated[
        Literal["percent", "amount", "fixed_price", "bonus_points", "coupon"],
        Field(label=gettext_lazy("Type"), type="choice", choices=(*TYPES, (COUPON, gettext_lazy("Coupon")))),
    ]
    offer_reference: Annotated[
        ExternalId | None, Field(label=gettext_lazy("Coupon of"), type="choice", is_open=True)
    ] = None

    def check(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """As for any benefit; a coupon is of an offer, nothing else is."""
        if self.type != COUPON:
            yield from super().check()
            if self.offer_reference is not None:
                yield "offer_reference", "only_for_coupons", {}
            return
        if self.offer_reference is None:
            yield "offer_reference", "missing", {}
        if not 1 <= self.size <= MOST_COUPONS:
            is_small = self.size < 1
            yield "size", "too_small" if is_small else "too_large", {"limit": 1 if is_small else MOST_COUPONS}
        if self.maximum_minor is not None:
            yield "maximum_minor", "not_applicable", {}

    def on(self, what: str, *, currency: str) -> str:
        """Say the benefit on something: `20 % off Coffee`."""
        words = {"size": self.size, "what": what, "amount": money.display(self.size, currency)}
        if self.type == "bonus_points":
            text = (
                ngettext("%(size)d bonus point for %(what)s", "%(size)d bonus points for %(what)s", self.size) % words
            )
        elif self.type == COUPON:
            text = ngettext("%(size)d coupon for %(what)s", "%(size)d coupons for %(what)s", self.size) % words
        elif self.type == "percent":
            text = _("%(size)d %% off %(what)s") % words
        elif self.type == "amount":
            text = _("%(amount)s off %(what)s") % words
        else:
            text = _("%(what)s for %(amount)s") % words
        if self.maximum_minor is None:
            return text
        ceiling = money.display(self.maximum_minor, currency)
        return _("%(benefit)s (at most %(ceiling)s)") % {"benefit": text, "ceiling": ceiling}


class Dated(BaseModel):
    """Something with a period of its own, half-open; a bare date means the programme's zone (D-09)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    starts_at: Moment | None = None
    ends_at: Moment | None = None

    @property
    def is_dated(self) -> bool:
        return self.starts_at is not None or self.ends_at is not None

    def misfits(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield what does not fit together."""
        if self.starts_at and self.ends_at and is_backwards(self.starts_at, self.ends_at):
            yield "ends_at", "ends_before_start", {}

    @model_validator(mode="after")
    def _fits_together(self) -> "Dated":
        if found := list(self.misfits()):
            raise PydanticCustomError("misfits", "the fields do not fit together", {"misfits": found})
        return self


class Item(Dated):
    """A product, group or category with its own benefit, and perhaps its own period (S1-07..12)."""

    external_id: ExternalId
    # As it was called when it was imported, so that the terms can be read without looking it up.
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    benefit: ItemBenefit

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say the item: `20 % off Coffee until Nov. 30, 2026`."""
        text = self.benefit.on(self.name or self.external_id, currency=currency)
        words = {
            "text": text,
            "start": moment.display(self.starts_at, zone) if self.starts_at else "",
            "end": moment.display(self.ends_at, zone) if self.ends_at else "",
        }
        if self.starts_at and self.ends_at:
            return _("%(text)s from %(start)s until %(end)s") % words
        if self.starts_at:
            return _("%(text)s from %(start)s") % words
        return _("%(text)s until %(end)s") % words if self.ends_at else text


class Threshold(BaseModel):
    """From this amount of a receipt on, before discounts, in minor units, this much (S1-13)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    amount_minor: Amount
    size: Amount
    maximum_minor: Amount | None = None


class Personal(Rule):
    """What the offer gives is each member's own, by her attribute: `items`, or `thresholds` of one `benefit_type`.

    An item counts for the product itself, or for every product of its group or category. Of the thresholds the highest
    that a receipt reaches counts. Without either it is the offer's own value, and only an import gives the offer.
    """

    kind: ClassVar[str] = "personal"
    label: ClassVar[str | Promise] = gettext_lazy("Personal terms")
    help: ClassVar[str | Promise] = gettext_lazy("Set for each member by an import. On what?")
    order: ClassVar[int] = 25

    mechanic: Annotated[Mechanic, Field(label=gettext_lazy("On"), type="choice", choices=MECHANICS)]
    items: Annotated[tuple[Item, ...], Constraints(strict=False, max_length=MOST_ITEMS)] = ()
    benefit_type: Literal["percent", "amount", "bonus_points"] | None = None
    thresholds: Annotated[tuple[Threshold, ...], Constraints(strict=False, max_length=MOST_THRESHOLDS)] = ()

    @classmethod
    def fields(cls) -> list[Field]:
        """Return what people set: the mechanic. Items and thresholds come by an import alone."""
        return [field.described("mechanic", cls.model_fields["mechanic"])]

    def check(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Items or thresholds, by the mechanic."""
        yield from contents(self.mechanic, self.items, self.benefit_type, self.thresholds, is_given=False)

    @property
    def is_set(self) -> bool:
        """Say whether it has a member's own terms, or only says on what they are."""
        return bool(self.items or self.thresholds)

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON value, without what is empty."""
        value = super().data()
        for item in value.get("items", ()):
            if not item.get("name"):
                item.pop("name", None)
        return {name: one for name, one in value.items() if one != []}

    def worst_case(self, limit: int) -> int:
        """Return the most it can cost over `limit` uses, in minor units; 0 where that is not known.

        Each item may be bought at once; of the thresholds one counts.
        """
        if self.thresholds:
            return limit * max(
                one.size if self.benefit_type == "amount" else one.maximum_minor or 0 for one in self.thresholds
            )
        return limit * sum(item.benefit.worst_case(1) for item in self.items)

    def parts(self) -> Sequence[Any]:
        """Return the items, each a line of its own to people."""
        return self.items or (self,)

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say it all in one sentence."""
        if self.items:
            return _("; ").join(item.sentence(currency=currency, zone=zone) for item in self.items)
        if self.thresholds:
            return _("; ").join(
                ItemBenefit(type=self.benefit_type or "percent", size=one.size, maximum_minor=one.maximum_minor).on(
                    _("a purchase of %(amount)s or more") % {"amount": money.display(one.amount_minor, currency)},
                    currency=currency,
                )
                for one in self.thresholds
            )
        return {
            "products": _("On products that are chosen for each member"),
            "groups": _("On product groups that are chosen for each member"),
            "categories": _("On categories that are chosen for each member"),
            RECEIPT: _("From amounts on that are set for each member"),
        }[self.mechanic]


def contents(
    mechanic: str | None,
    items: Sequence[Any],
    benefit_type: str | None,
    thresholds: Sequence[Threshold],
    *,
    is_given: bool,
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield what of items and thresholds does not fit the mechanic; `is_given` says that there must be some."""
    is_receipt = mechanic == RECEIPT or (mechanic is None and bool(thresholds))
    if is_receipt:
        if items:
            yield "items", "not_on_receipts", {}
        if is_given and not thresholds:
            yield "thresholds", "empty_list", {}
        if thresholds:
            yield from _thresholds(benefit_type, thresholds)
        return
    if thresholds:
        yield "thresholds", "only_on_receipts", {}
    if benefit_type is not None:
        yield "benefit_type", "only_on_receipts", {}
    if is_given and not items:
        yield "items", "empty_list", {}
    if sum(item.benefit.size for item in items if item.benefit.type == "amount") > LARGEST_AMOUNT:
        yield "items", "too_large", {"limit": LARGEST_AMOUNT}


def _thresholds(benefit_type: str | None, thresholds: Sequence[Threshold]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if benefit_type is None:
        yield "benefit_type", "missing", {}
    for n, one in enumerate(thresholds):
        if n and one.amount_minor <= thresholds[n - 1].amount_minor:
            yield f"thresholds[{n}].amount_minor", "not_ascending", {"limit": thresholds[n - 1].amount_minor}
        if benefit_type == "percent" and one.size > 100:
            yield f"thresholds[{n}].size", "too_large", {"limit": 100}
        if benefit_type in ("amount", "bonus_points") and one.maximum_minor is not None:
            yield f"thresholds[{n}].maximum_minor", "not_applicable", {}
