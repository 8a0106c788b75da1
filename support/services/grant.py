"""An agent gives a member an offer, with a reason (S0-11, B-05)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from loyalty.models import Member, User
from offers.models import OfferTemplate, Source
from offers.services import door
from offers.services.assignment import Grant
from offers.services.door import Answer, Preview


@dataclass(frozen=True)
class Why:
    """What the agent knows besides: kept with the door's entry."""

    reason: str
    ticket: str = ""
    note: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"reason": self.reason, "ticket": self.ticket, "note": self.note}


def grant(
    *,
    member: Member,
    template: OfferTemplate,
    terms: Mapping[str, Any],
    reference: UUID,
    why: Why,
    actor: User,
    now: datetime,
) -> Answer:
    """Give the member the template's offer; the same form sent again answers as before, refusals included.

    `terms` are the rule values given, in minor units. Raises OffersModuleOff and
    ReferenceReused. (S0-07, S0-08, D-11)
    """
    return door.grant(
        programme=member.programme,
        door=Source.SUPPORT,
        # A form belongs to one member and template: its reference means nothing for another one.
        instance=f"desk {member.pk} {template.pk}",
        grant=_grant(member, template, terms, reference),
        actor=actor,
        context=why.as_dict(),
        now=now,
    )


def preview(*, member: Member, template: OfferTemplate, terms: Mapping[str, Any], now: datetime) -> Preview:
    """Return what `grant` would answer now; writes nothing."""
    return door.preview(programme=member.programme, grant=_grant(member, template, terms, None), now=now)


def _grant(member: Member, template: OfferTemplate, terms: Mapping[str, Any], reference: UUID | None) -> Grant:
    return Grant(
        member_id=member.pk,
        template_id=template.pk,
        terms=terms,
        reference=str(reference) if reference else None,
    )
