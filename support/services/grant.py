"""An agent gives a member an offer, with a reason (S0-11, B-05)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from loyalty.database import in_transaction
from loyalty.models import Member, User
from offers.models import OfferTemplate, Source
from offers.services import door, grant_ledger
from offers.services.assignment import Grant
from offers.services.door import Answer, Preview


@dataclass(frozen=True)
class Why(grant_ledger.Words):
    """What the agent knows besides: kept with the door's entry and in the ledger."""

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

    `terms` are the rule values given, in minor units. What was given stands in the desk's ledger, in the same
    transaction. Raises OffersModuleOff and ReferenceReused. (S0-07, S0-08, D-11, B-05)
    """

    def work() -> Answer:
        answer = door.grant(
            programme=member.programme,
            door=Source.SUPPORT,
            # A form belongs to one member and template: its reference means nothing for another one.
            instance=f"desk {member.pk} {template.pk}",
            grant=_grant(member, template, terms, reference),
            actor=actor,
            context=why.as_dict(),
            now=now,
        )
        given = answer.outcome.assignment_id
        if given is not None and not answer.is_replayed:
            grant_ledger.record(programme=member.programme, assignment_ids=[given], agent=actor, words=why, now=now)
        return answer

    return in_transaction(work)


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
