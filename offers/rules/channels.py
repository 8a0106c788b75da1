"""Where the offer is told and used: the store, the web shop, the app, a mailing."""

from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field as Constraints
from pydantic import StringConstraints

from offers.rules.external_id import UNIQUE
from offers.rules.field import Field
from offers.rules.rule import Rule

# Where an offer is used; the other channels are how members are reached, and each programme's own data (S1-20).
PLACES = (("store", gettext_lazy("Store")), ("web", gettext_lazy("Web shop")))
COMMON = (
    *PLACES,
    ("app", gettext_lazy("App")),
    ("email", gettext_lazy("E-mail")),
    ("sms", gettext_lazy("SMS")),
    ("push", gettext_lazy("Push message")),
    ("receipt", gettext_lazy("Receipt")),
)
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$")]


class Channels(Rule):
    """The offer belongs to the channels with these codes, and to no other (S1-03)."""

    kind: ClassVar[str] = "channels"
    label: ClassVar[str | Promise] = gettext_lazy("Channels")
    help: ClassVar[str | Promise] = gettext_lazy("Where it is told and used. Without this rule: everywhere.")
    order: ClassVar[int] = 60

    channels: Annotated[
        tuple[Code, ...],
        Constraints(min_length=1, max_length=50),
        *UNIQUE,
        Field(label=gettext_lazy("Channels"), type="list", choices=COMMON, is_open=True),
    ]

    def sentence(self, *, currency: str, zone: ZoneInfo) -> str:
        """Name the channels."""
        labels = dict(COMMON)
        names = [str(labels.get(code, code)) for code in self.channels]
        return _("Channels: %(channels)s") % {"channels": get_text_list(names, _("and"))}
