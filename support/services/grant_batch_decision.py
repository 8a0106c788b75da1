"""Deciding about sets of grants that wait for a second person: approve, decline, withdraw, let expire (B-05)."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from loyalty.database import execute, in_transaction
from loyalty.errors import NotFound
from loyalty.models import Programme, User
from support.models import GrantBatch, GrantBatchLine
from support.selectors import grant as templates
from support.services import grant_batch
from support.services.grant import Why
from support.services.grant_batch_lines import Line, Plan, made_good
from support.services.grant_request import NotApprovable, require_decidable, require_granter, sentence

State = GrantBatch.State
TELL = """
    UPDATE support_grantbatchline AS line
       SET outcome = told.outcome, assignment_id = told.assignment_id
      FROM unnest(%(members)s::bigint[], %(outcomes)s::text[], %(assignments)s::uuid[])
           AS told (member_id, outcome, assignment_id)
     WHERE line.batch_id = %(batch)s AND line.member_id = told.member_id AND line.outcome = ''
"""
EXPIRE = """
    WITH late AS (
        UPDATE support_grantbatch SET state = 'expired', decided_at = %(now)s
         WHERE state = 'waiting' AND expires_at <= %(now)s
        RETURNING id, programme_id, ticket, asked_by_id, counts, exposure_minor
    )
    INSERT INTO loyalty_auditevent (programme_id, action, object_type, object_id, object_label, data)
    SELECT programme_id, 'grant_batch.expired', 'support.grantbatch', id::text, coalesce(nullif(ticket, ''), id::text),
           jsonb_build_object('agent', asked_by_id, 'counts', counts, 'exposure_minor', exposure_minor)
      FROM late ORDER BY id
"""


def approve(*, programme: Programme, batch_id: UUID, actor: User, now: datetime) -> GrantBatch:
    """Give a set that waits, as its agent's with this person as its approver, once; all but the allowance anew.

    Raises NotApprovable for whoever asked, where it was decided, and where its offer can no longer be granted, or by
    whoever asked.
    """

    def work() -> GrantBatch:
        batch = _waiting(programme, batch_id, actor, now)
        require_granter(programme=programme, agent=batch.asked_by)
        try:
            template = templates.get(programme=programme, user=batch.asked_by, template_id=batch.template_id)
        except NotFound as error:
            raise NotApprovable(
                _("It goes on waiting: the offer can no longer be granted. Decline it and say so.")
            ) from error
        why = Why(batch.reason, batch.ticket, batch.note)
        plan = Plan(programme, template, batch.terms, [], why, batch.is_again)
        wanted = GrantBatchLine.objects.filter(batch=batch, outcome="", member__isnull=False).order_by("place")
        again = set() if batch.is_again else made_good(plan)
        lines = [
            Line(one.place, one.line, one.named, one.member_id, "made_good" if one.member_id in again else "")
            for one in wanted
        ]
        told = grant_batch.give(plan, lines, batch.pk, batch.asked_by, now, approved_by=actor)
        execute(
            TELL,
            {
                "batch": batch.pk,
                "members": [line.member_id for line in told],
                "outcomes": [line.outcome for line in told],
                "assignments": [line.assignment_id for line in told],
            },
        )
        batch.state, batch.decided_by, batch.decided_at, batch.granted_at = State.GRANTED, actor, now, now
        batch.counts = dict(Counter(GrantBatchLine.objects.filter(batch=batch).values_list("outcome", flat=True)))
        batch.exposure_minor = grant_batch.cost(batch.pk, batch.asked_by)
        batch.save()
        grant_batch.note(batch, "approved", actor)
        return batch

    return in_transaction(work)


def decline(*, programme: Programme, batch_id: UUID, answer: str, actor: User, now: datetime) -> GrantBatch:
    """Refuse a set that waits, with a sentence. Raises as `approve`, and InvalidInput without a sentence."""
    said = sentence(answer)

    def work() -> GrantBatch:
        batch = _waiting(programme, batch_id, actor, now)
        batch.answer = said
        return _close(batch, State.DECLINED, actor, now)

    return in_transaction(work)


def withdraw(*, programme: Programme, batch_id: UUID, actor: User, now: datetime) -> GrantBatch:
    """Take back one's own set while it waits. Raises NotApprovable once it is decided, NotFound for others'."""

    def work() -> GrantBatch:
        batch = grant_batch.locked(programme, batch_id)
        if batch.asked_by_id != actor.pk:
            raise NotFound(_("There is no such set of yours."))
        if batch.state != State.WAITING:
            raise NotApprovable(_("It waits no longer: it was decided."))
        return _close(batch, State.WITHDRAWN, actor, now)

    return in_transaction(work)


def expire(*, now: datetime) -> int:
    """Close what nobody decided in time, in every programme, each with its audit row; returns how many that were."""
    return execute(EXPIRE, {"now": now})


def _waiting(programme: Programme, batch_id: UUID, actor: User, now: datetime) -> GrantBatch:
    """Return what waits, locked, for somebody else than who asked."""
    batch = grant_batch.locked(programme, batch_id)
    if batch.state != State.WAITING:
        raise NotApprovable(_("It waits no longer: it was decided."))
    require_decidable(batch, actor=actor, now=now)
    return batch


def _close(batch: GrantBatch, state: str, actor: User, now: datetime) -> GrantBatch:
    batch.state, batch.decided_by, batch.decided_at = state, actor, now
    batch.save()
    grant_batch.note(batch, state, actor)
    return batch
