"""An agent gives a member an offer, with a reason, within her allowance (S0-11, B-05)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.utils.translation import gettext as _

from loyalty.database import in_transaction
from loyalty.models import Member, User
from loyalty.services import audit
from offers.models import OfferTemplate, Source
from offers.services import door, grant_ledger
from offers.services.assignment import Grant, Outcome
from offers.services.door import Preview, ReferenceReused
from support.models import GrantRequest
from support.selectors import allowance as selectors
from support.selectors.allowance import Excess
from support.services import allowance

# So long a grant waits for a second person; then it is asked for anew.
WAITING_DAYS = 7
WAITING = "awaiting_approval"


@dataclass(frozen=True)
class Why(grant_ledger.Words):
    """What the agent knows besides: kept with the door's entry and in the ledger."""

    def as_dict(self) -> dict[str, str]:
        return {"reason": self.reason, "ticket": self.ticket, "note": self.note}


@dataclass(frozen=True)
class Answer:
    """What became of a form: the door's outcome, or the request that waits for a second person, or did."""

    outcome: Outcome
    is_replayed: bool
    request: GrantRequest | None = None


class Beyond(Exception):
    """Undoes a grant, or a set of them, that goes beyond a limit."""

    def __init__(self, excesses: list[Excess], exposure_minor: int) -> None:
        super().__init__()
        self.excesses, self.exposure_minor = excesses, exposure_minor


class Refused(Exception):
    """Undoes an approved grant that is refused now, with the door's memory of it: it may be tried again."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


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
    transaction. Beyond a limit nothing is given: a request waits for a second person instead, once for each form.
    Raises OffersModuleOff and ReferenceReused. (S0-07, S0-08, D-11, B-05)

    Lock order: the agent, the member, then as any grant from a door.
    """
    values = orjson.loads(orjson.dumps(dict(terms)))
    return in_transaction(lambda: _grant(member, template, values, reference, why, actor, now))


def _grant(
    member: Member,
    template: OfferTemplate,
    terms: Mapping[str, Any],
    reference: UUID,
    why: Why,
    actor: User,
    now: datetime,
) -> Answer:
    programme = member.programme
    bounds = selectors.bounds(programme=programme, agent=actor)
    allowance.lock(programme=programme, agent=actor, member_ids=[member.pk], bounds=bounds)
    form = {"programme": programme, "member": member, "template": template, "reference": reference}
    asked = GrantRequest.objects.filter(**form).first()
    if asked is not None and asked.assignment_id is None:
        if asked.terms != terms:
            raise ReferenceReused(_("This form was sent before with other values. Look at them and send it again."))
        return Answer(Outcome(WAITING, member_id=member.pk), True, asked)
    try:
        with transaction.atomic():
            answer = through_door(member, template, terms, reference, why, actor, now)
            given = answer.outcome.assignment_id
            if given is None or answer.is_replayed:
                return Answer(answer.outcome, answer.is_replayed, asked)
            grant_ledger.record(programme=programme, assignment_ids=[given], agent=actor, words=why, now=now)
            excesses = allowance.exceeded(
                programme=programme,
                agent=actor,
                member_ids=[member.pk],
                assignment_ids=[given],
                bounds=bounds,
                now=now,
            )
            if excesses:
                raise Beyond(excesses, selectors.dearest(assignment_ids=[given]))
            return Answer(answer.outcome, False)
    except Beyond as beyond:
        wish = GrantRequest(**form, terms=terms, asked_by=actor, asked_at=now, **why.as_dict())
        return Answer(Outcome(WAITING, member_id=member.pk), False, _ask(wish, beyond))


def _ask(wish: GrantRequest, beyond: Beyond) -> GrantRequest:
    """Let the wish wait: nothing of it was given."""
    wish.exposure_minor = beyond.exposure_minor
    wish.excesses = [each.as_stored() for each in beyond.excesses]
    wish.expires_at = wish.asked_at + timedelta(days=WAITING_DAYS)
    wish.save()
    audit.record(
        action="grant_request.asked",
        actor=wish.asked_by,
        programme=wish.programme,
        target=wish,
        data={
            "member": wish.member_id,
            "template": wish.template_id,
            "exposure_minor": wish.exposure_minor,
            "limits": [each.limit for each in beyond.excesses],
        },
    )
    return wish


def give_approved(*, asked: GrantRequest, approver: User, now: datetime) -> UUID:
    """Give what waited, as its agent's grant and whatever her allowance; the request's row is locked.

    Everything but the allowance is looked at anew. Raises Refused, with nothing written, where it cannot be given
    now; OffersModuleOff.
    """
    agent, member = asked.asked_by, asked.member
    why = Why(asked.reason, asked.ticket, asked.note)
    bounds = selectors.bounds(programme=asked.programme, agent=agent)
    allowance.lock(programme=asked.programme, agent=agent, member_ids=[member.pk], bounds=bounds)
    with transaction.atomic():
        answer = through_door(member, asked.template, asked.terms, asked.reference, why, agent, now)
        if answer.outcome.assignment_id is None:
            raise Refused(answer.outcome)
        grant_ledger.record(
            programme=asked.programme,
            assignment_ids=[answer.outcome.assignment_id],
            agent=agent,
            approved_by=approver,
            words=why,
            now=now,
        )
        return answer.outcome.assignment_id


def through_door(
    member: Member,
    template: OfferTemplate,
    terms: Mapping[str, Any],
    reference: UUID,
    why: Why,
    actor: User,
    now: datetime,
) -> door.Answer:
    """Ask the desk's door, which remembers the answer under the form's reference."""
    return door.grant(
        programme=member.programme,
        door=Source.SUPPORT,
        # A form belongs to one member and template: its reference means nothing for another one.
        instance=f"desk {member.pk} {template.pk}",
        grant=_wish(member, template, terms, reference),
        actor=actor,
        context=why.as_dict(),
        now=now,
    )


def preview(*, member: Member, template: OfferTemplate, terms: Mapping[str, Any], now: datetime) -> Preview:
    """Return what `grant` would answer now; writes nothing."""
    return door.preview(programme=member.programme, grant=_wish(member, template, terms, None), now=now)


def _wish(member: Member, template: OfferTemplate, terms: Mapping[str, Any], reference: UUID | None) -> Grant:
    return Grant(
        member_id=member.pk,
        template_id=template.pk,
        terms=terms,
        reference=str(reference) if reference else None,
    )
