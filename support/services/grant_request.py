"""Deciding about grants that wait for a second person: approve, decline, withdraw, let expire (B-05).

The request's row is locked first, so of two clicks, two approvers, or an approver and who withdraws, one decides.
"""

from datetime import datetime

from django.utils.translation import gettext as _

from loyalty.database import execute, in_transaction
from loyalty.errors import Conflict, InvalidInput, NotFound
from loyalty.models import Programme, User
from loyalty.services import audit
from offers.models.outcome import OUTCOME_SENTENCES
from support.models import GrantBatch, GrantRequest
from support.selectors import grant as templates
from support.services import grant

State = GrantRequest.State
LONGEST_ANSWER = 500
EXPIRE = """
    WITH late AS (
        UPDATE support_grantrequest SET state = 'expired', decided_at = %(now)s
         WHERE state = 'waiting' AND expires_at <= %(now)s
        RETURNING id, programme_id, member_id, asked_by_id, exposure_minor
    )
    INSERT INTO loyalty_auditevent (programme_id, action, object_type, object_id, object_label, data)
    SELECT programme_id, 'grant_request.expired', 'support.grantrequest', id::text, id || ': expired',
           jsonb_build_object('member', member_id, 'agent', asked_by_id, 'exposure_minor', exposure_minor)
      FROM late ORDER BY id
"""


class NotApprovable(Conflict):
    """The grant, or the set, waits for nothing, not for this person, or cannot be given now."""

    code = "not_approvable"


def approve(*, programme: Programme, request_id: int, actor: User, now: datetime) -> GrantRequest:
    """Give what waits, as its agent's grant with this person as its approver, once.

    Raises NotApprovable for whoever asked, where it was decided, and where the offer cannot be given now, or no more
    by whoever asked: then it goes on waiting, and the sentence says why. Raises NotFound for another programme's.

    Lock order: the request's row, the agent, the member, then as any grant from a door.
    """

    def work() -> GrantRequest:
        asked = _lock(programme, request_id, actor, now)
        require_granter(programme=programme, agent=asked.asked_by)
        try:
            templates.get(programme=programme, user=asked.asked_by, template_id=asked.template_id)
            given = grant.give_approved(asked=asked, approver=actor, now=now)
        except NotFound as error:
            raise NotApprovable(
                _("It goes on waiting: the offer can no longer be granted. Decline it and say so.")
            ) from error
        except grant.Refused as refused:
            said = [reason.message for reason in refused.outcome.reasons if reason.message]
            why = " ".join(said) or str(OUTCOME_SENTENCES.get(refused.outcome.code, refused.outcome.code))
            raise NotApprovable(
                _("It goes on waiting, because it cannot be given now: %(why)s") % {"why": why}
            ) from refused
        asked.assignment_id = given
        return _decide(asked, State.APPROVED, actor, now)

    return in_transaction(work)


def decline(*, programme: Programme, request_id: int, answer: str, actor: User, now: datetime) -> GrantRequest:
    """Refuse what waits, with a sentence for whoever asked. Raises NotApprovable and NotFound as `approve`, and
    InvalidInput without a sentence."""
    said = sentence(answer)

    def work() -> GrantRequest:
        asked = _lock(programme, request_id, actor, now)
        asked.answer = said
        return _decide(asked, State.DECLINED, actor, now)

    return in_transaction(work)


def withdraw(*, programme: Programme, request_id: int, actor: User, now: datetime) -> GrantRequest:
    """Take back one's own wish while it waits. Raises NotApprovable once it is decided, NotFound for others' own."""

    def work() -> GrantRequest:
        asked = _waiting(programme, request_id)
        if asked.asked_by_id != actor.pk:
            raise NotFound(_("There is no such waiting grant of yours."))
        return _decide(asked, State.WITHDRAWN, actor, now)

    return in_transaction(work)


def expire(*, now: datetime) -> int:
    """Close what nobody decided in time, in every programme, each with its audit row; returns how many that were."""
    return execute(EXPIRE, {"now": now})


def require_granter(*, programme: Programme, agent: User) -> None:
    """Raise NotApprovable for an agent who may grant nothing here any more: nothing is given in her name."""
    works_here = agent.is_superuser or agent.programmes.filter(pk=programme.pk).exists()
    if not (agent.is_active and works_here and agent.has_perm("offers.grant_assignment")):
        raise NotApprovable(_("Who asked may not grant any more. Decline it and say so."))


def sentence(answer: str) -> str:
    """Return what a decliner says, which has to be something. Raises InvalidInput."""
    said = answer.strip()
    if not said or len(said) > LONGEST_ANSWER:
        raise InvalidInput(_("Say why, in up to 500 characters."), code="missing_reason")
    return said


def require_decidable(waiting: GrantRequest | GrantBatch, *, actor: User, now: datetime) -> None:
    """Raise NotApprovable for whoever asked, and for what waited too long."""
    if waiting.asked_by_id == actor.pk:
        raise NotApprovable(_("You asked for it. Somebody else decides."))
    if waiting.expires_at <= now:
        raise NotApprovable(_("It waited too long and is over. It has to be asked for anew."))


def _lock(programme: Programme, request_id: int, actor: User, now: datetime) -> GrantRequest:
    """Return what waits, locked, for somebody else than who asked."""
    asked = _waiting(programme, request_id)
    require_decidable(asked, actor=actor, now=now)
    return asked


def _waiting(programme: Programme, request_id: int) -> GrantRequest:
    known = GrantRequest.objects.select_for_update(of=("self",)).select_related(
        "programme", "member__programme", "template__config_offer", "asked_by"
    )
    asked = known.filter(programme=programme, pk=request_id).first()
    if asked is None:
        raise NotFound(_("There is no such waiting grant here."))
    if asked.state == State.EXPIRED:
        raise NotApprovable(_("It waited too long and is over. It has to be asked for anew."))
    if asked.state != State.WAITING:
        words = {"state": asked.get_state_display(), "person": asked.decided_by}
        raise NotApprovable(_("It waits no longer: it was %(state)s by %(person)s.") % words)
    return asked


def _decide(asked: GrantRequest, state: str, actor: User, now: datetime) -> GrantRequest:
    asked.state, asked.decided_by, asked.decided_at = state, actor, now
    asked.save(update_fields=["state", "decided_by", "decided_at", "answer", "assignment"])
    audit.record(
        action=f"grant_request.{state}",
        actor=actor,
        programme=asked.programme,
        target=asked,
        data={"member": asked.member_id, "agent": asked.asked_by_id, "exposure_minor": asked.exposure_minor}
        | ({"assignment": str(asked.assignment_id)} if asked.assignment_id else {}),
    )
    return asked
