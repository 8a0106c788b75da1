"""What the offer is for: products, groups, categories, by their external ids (S1-07, S1-09, S1-11)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from pydantic import Field as Constraints

from offers.rules.external_id import MOST, UNIQUE, ExternalId
from offers.rules.field import Field
from offers.rules.rule import Rule

ONE_A_LINE = gettext_lazy("External ids, one a line.")
Ids = Annotated[tuple[ExternalId, ...], Constraints(max_length=MOST), *UNIQUE]


class Products(Rule):
    """A product counts when it is named, or in a named group, or anywhere in a named category.

    At least one id is given; an offer for all products has no such rule.
    """

    kind: ClassVar[str] = "products"
    label: ClassVar[str | Promise] = gettext_lazy("Products")
    help: ClassVar[str | Promise] = gettext_lazy("What it is for. Without this rule: everything.")
    order: ClassVar[int] = 30
    schema_extra: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"required": [name], "properties": {name: {"minItems": 1}}} for name in ("products", "groups", "categories")
        ]
    }

    misfits: ClassVar[Mapping[tuple[str, str], str | Promise]] = {
        ("products", "missing"): gettext_lazy("nothing is named. Give at least one product, group or category."),
    }

    products: Annotated[Ids, Field(label=gettext_lazy("Products"), type="list", help=ONE_A_LINE)] = ()
    groups: Annotated[Ids, Field(label=gettext_lazy("Product groups"), type="list", help=ONE_A_LINE)] = ()
    categories: Annotated[Ids, Field(label=gettext_lazy("Categories"), type="list", help=ONE_A_LINE)] = ()

    def check(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Something is named."""
        if not (self.products or self.groups or self.categories):
            yield "products", "missing", {}

    def data(self) -> dict[str, Any]:
        """Return the canonical JSON value, without the empty lists."""
        return {name: values for name, values in super().data().items() if values}

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say how many of each."""
        parts = []
        if count := len(self.products):
            parts.append(ngettext("%(count)d product", "%(count)d products", count) % {"count": count})
        if count := len(self.groups):
            parts.append(ngettext("%(count)d product group", "%(count)d product groups", count) % {"count": count})
        if count := len(self.categories):
            parts.append(ngettext("%(count)d category", "%(count)d categories", count) % {"count": count})
        return _("For %(things)s") % {"things": get_text_list(parts, _("and"))}
