"""Grants that wait for a second person, and what became of one's own (B-05)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from loyalty.errors import NotFound
from loyalty.models import Member, Programme, User
from offers import rules
from support.models import GrantRequest
from support.selectors import allowance, weighing
from support.selectors.allowance import Excess
from support.selectors.weighing import Weight

State = GrantRequest.State
# Of one list; who has more waiting decides about these first.
MOST = 50
# For so long Home tells an agent what became of her own.
TOLD_DAYS = 7
APPROVE = "support.approve_grantrequest"


@dataclass(frozen=True)
class Asked:
    """One with everything in view: to decide about it, or to see later what was decided about."""

    asked: GrantRequest
    offer: str
    terms: Sequence[str]
    weight: Weight | None
    """What stands beside it now, while it waits."""
    exceeded: Sequence[Excess]
    """What it went beyond when it was asked; `weight` says what it would go beyond now."""


def _known(programme: Programme) -> QuerySet[GrantRequest]:
    return GrantRequest.objects.filter(programme=programme).select_related(
        "member__programme", "template__config_offer__current_revision", "asked_by", "decided_by"
    )


def waiting(*, programme: Programme) -> list[GrantRequest]:
    """Return what waits in the programme, the oldest first."""
    return list(_known(programme).filter(state=State.WAITING).order_by("asked_at", "id")[:MOST])


def decided(*, programme: Programme) -> list[GrantRequest]:
    """Return what was decided last."""
    return list(_known(programme).exclude(state=State.WAITING).order_by("-decided_at", "-id")[:MOST])


def get(*, programme: Programme, request_id: int) -> GrantRequest:
    """Return one, whatever became of it. Raises NotFound for another programme's."""
    found = _known(programme).filter(pk=request_id).first()
    if found is None:
        raise NotFound("There is no such waiting grant here.")
    return found


def view(*, asked: GrantRequest, now: datetime) -> Asked:
    """Return one with its offer, its terms in words and, while it waits, what stands beside it now."""
    offer, programme = asked.template.config_offer, asked.member.programme
    revision = offer.current_revision
    own = revision.terms if revision else offer.terms
    lines = rules.explain(rules.effective(own, asked.terms), currency=programme.currency, zone=programme.zone)
    return Asked(
        asked=asked,
        offer=revision.name if revision else offer.name,
        terms=[str(line.text) for line in lines],
        weight=_weight(asked, now) if asked.state == State.WAITING else None,
        exceeded=allowance.read(asked.excesses),
    )


def _weight(asked: GrantRequest, now: datetime) -> Weight:
    return weighing.weigh(
        agent=asked.asked_by,
        member=asked.member,
        offer_id=asked.template.config_offer_id,
        exposure_minor=asked.exposure_minor,
        ticket=asked.ticket,
        reason=asked.reason,
        now=now,
        apart_from=asked,
    )


def count(*, programme: Programme, user: User) -> int:
    """Return how many wait for this person: her own wait for somebody else."""
    if not user.has_perm(APPROVE):
        return 0
    return GrantRequest.objects.filter(programme=programme, state=State.WAITING).exclude(asked_by=user).count()


def of_member(*, member: Member) -> list[GrantRequest]:
    """Return what waits for a member."""
    return list(_known(member.programme).filter(member=member, state=State.WAITING).order_by("id")[:MOST])


def of_offer(*, member: Member, offer_id: int, now: datetime) -> list[GrantRequest]:
    """Return what waits for a member of one offer, by whatever template of it, the oldest first."""
    waiting = _known(member.programme).filter(member=member, state=State.WAITING, expires_at__gt=now)
    return list(waiting.filter(template__config_offer=offer_id).order_by("asked_at", "id")[:MOST])


def own(*, programme: Programme, user: User, now: datetime) -> list[GrantRequest]:
    """Return a person's own: those that wait, and what became of the others lately, newest first."""
    mine = _known(programme).filter(asked_by=user, asked_at__gte=now - timedelta(days=2 * TOLD_DAYS))
    told = now - timedelta(days=TOLD_DAYS)
    return [each for each in mine.order_by("-id")[:MOST] if each.decided_at is None or each.decided_at >= told]
