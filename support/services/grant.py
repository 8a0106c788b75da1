"""An agent gives a member an offer, and takes it back when it was a slip (S0-11, B-05)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from loyalty.errors import Conflict, NotFound
from loyalty.models import Member, User
from loyalty.services import audit
from offers.models import Assignment, DoorEntry, OfferTemplate, Source
from offers.services import door, revocation
from offers.services.assignment import Grant
from offers.services.door import Answer, Preview
from offers.services.revocation import Revocation

# The toast offers undo for ten seconds and waits under the pointer; the server is a little more patient.
UNDO_SECONDS = 120


class TooLateToUndo(Conflict):
    """Undo is for slips: later, or somebody else's, is a revocation, with a reason."""

    code = "too_late_to_undo"


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


def undo(*, member: Member, assignment_id: UUID, actor: User, now: datetime) -> Revocation:
    """Take back what this person granted a moment ago. Raises TooLateToUndo, and NotFound for anything else."""
    entry = (
        DoorEntry.objects.filter(
            programme=member.programme, door=Source.SUPPORT, member=member, assignment_id=assignment_id, actor=actor
        )
        .order_by("created_at")
        .first()
    )
    if entry is None:
        raise NotFound(_("There is nothing of yours to undo here."))
    if now - entry.created_at > timedelta(seconds=UNDO_SECONDS):
        raise TooLateToUndo(_("It is too late to undo this. Open the offer and revoke it, with a reason."))
    return revocation.revoke(
        programme=member.programme,
        assignment_id=assignment_id,
        reason="undone",
        source=Source.SUPPORT,
        actor=actor,
        now=now,
    )


def revoke(*, assignment: Assignment, reason: str, actor: User, now: datetime) -> Revocation:
    """Take an assignment back from the desk, with a reason in words; audited."""
    answer = revocation.revoke(
        programme=assignment.member.programme,
        assignment_id=assignment.pk,
        reason=reason,
        source=Source.SUPPORT,
        actor=actor,
        now=now,
    )
    if answer.code == "revoked":
        audit.record(action="assignment.revoked", actor=actor, programme=assignment.member.programme, target=assignment)
    return answer


def _grant(member: Member, template: OfferTemplate, terms: Mapping[str, Any], reference: UUID | None) -> Grant:
    return Grant(
        member_id=member.pk,
        template_id=template.pk,
        terms=terms,
        reference=str(reference) if reference else None,
    )
