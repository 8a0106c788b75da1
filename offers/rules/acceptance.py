"""Whether the member confirms the offer before it counts (S1-15, S1-16, D-03)."""

from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from offers.rules.field import Field
from offers.rules.rule import Rule


class Acceptance(Rule):
    """With `required` the offer stays inactive until the member accepts; with false it counts at once."""

    kind: ClassVar[str] = "acceptance"
    label: ClassVar[str | Promise] = gettext_lazy("Acceptance")
    help: ClassVar[str | Promise] = gettext_lazy("Whether the member accepts first. Without this rule: no.")
    order: ClassVar[int] = 70

    required: Annotated[bool, Field(label=gettext_lazy("Must be accepted"), type="boolean")]

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Say whether it must be accepted."""
        return _("Must be accepted before it counts") if self.required else _("Counts at once, without acceptance")
