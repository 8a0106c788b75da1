"""How often one assigned offer may be used."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from offers.rules.field import Field
from offers.rules.rule import LARGEST_LIMIT, Rule

# An offer without this rule may be used once.
DEFAULT = 1


def uses(terms: Mapping[str, Any]) -> int:
    """Return how often an assignment with these effective terms may be used."""
    return int((terms.get(RedemptionLimit.kind) or {}).get("limit", DEFAULT))


class RedemptionLimit(Rule):
    """The assignment is used up after `limit` uses."""

    kind: ClassVar[str] = "redemption_limit"
    label: ClassVar[str | Promise] = gettext_lazy("Redemption limit")
    help: ClassVar[str | Promise] = gettext_lazy("How often each member may use it. Without this rule: once.")
    order: ClassVar[int] = 50

    limit: Annotated[int, Ge(1), Le(LARGEST_LIMIT), Field(label=gettext_lazy("Limit"), type="integer", unit="times")]

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say the limit."""
        text = ngettext("Can be used %(limit)d time", "Can be used %(limit)d times", self.limit)
        return text % {"limit": self.limit}
