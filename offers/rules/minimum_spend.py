"""From which purchase on the offer counts: a threshold on the receipt's amount."""

from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import money
from offers.rules.field import Field
from offers.rules.rule import LARGEST_AMOUNT, Rule


class MinimumSpend(Rule):
    """The receipt must reach `amount_minor`, in minor units, before discounts (D-08)."""

    kind: ClassVar[str] = "minimum_spend"
    label: ClassVar[str | Promise] = gettext_lazy("Minimum spend")
    help: ClassVar[str | Promise] = gettext_lazy("The purchase that is needed.")
    order: ClassVar[int] = 40

    amount_minor: Annotated[
        int,
        Ge(1),
        Le(LARGEST_AMOUNT),
        Field(
            label=gettext_lazy("Amount"),
            type="integer",
            unit="money",
            help=gettext_lazy("What the receipt must reach, before discounts."),
        ),
    ]

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say the threshold."""
        return _("For a purchase of %(amount)s or more") % {"amount": money.display(self.amount_minor, currency)}
