"""Making good for many at once: who is meant, what it would do, doing it as one set, and taking it back (B-05)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from loyalty import contact
from loyalty.database import execute, in_transaction, is_violation
from loyalty.errors import Conflict, NotFound
from loyalty.models import Programme, User
from loyalty.services import audit
from offers.models import GrantLedgerEntry
from offers.selectors import voucher as vouchers
from offers.services import grant_set_undo
from offers.services.assignment import Outcome
from support.models import GrantBatch, GrantBatchLine
from support.selectors import allowance as allowances
from support.selectors.allowance import Excess, Usage
from support.services import allowance, grant_batch_lines, grant_set
from support.services.grant import WAITING_DAYS, Beyond
from support.services.grant_batch_lines import Line, Plan

State = GrantBatch.State
# A list is read through before a mistake in it is seen; a single grant has seconds.
UNDO_MINUTES = 15
ONCE = "a_set_of_grants_is_made_once_for_each_form"
KEEP = """
    INSERT INTO support_grantbatchline (batch_id, place, line, named, member_id, outcome, assignment_id, undone)
    SELECT %(batch)s, place, line, named, member_id, outcome, assignment_id, ''
      FROM unnest(%(places)s::int[], %(lines)s::int[], %(named)s::text[], %(members)s::bigint[], %(outcomes)s::text[],
                  %(assignments)s::uuid[]) AS told (place, line, named, member_id, outcome, assignment_id)
"""
TELL_UNDONE = """
    UPDATE support_grantbatchline AS line SET undone = told.result
      FROM unnest(%(assignments)s::uuid[], %(results)s::text[]) AS told (assignment_id, result)
     WHERE line.batch_id = %(batch)s AND line.assignment_id = told.assignment_id
"""


class TooLate(Conflict):
    """A set is undone within minutes, once, by who made it."""

    code = "too_late"


@dataclass(frozen=True)
class Preview:
    """What a set would do now, found out by doing it and taking it back; money in minor units."""

    lines: list[Line]
    counts: dict[str, int]
    exposure_minor: int
    single_minor: int
    codes_left: int | None
    excesses: list[Excess]
    used: Usage

    @property
    def assigned(self) -> int:
        return self.counts.get("assigned", 0)

    @property
    def week_after(self) -> int:
        return self.used.week + self.assigned

    @property
    def week_minor_after(self) -> int:
        return self.used.week_minor + self.exposure_minor

    @property
    def problems(self) -> list[Line]:
        return [line for line in self.lines if line.outcome != "assigned"]


class _Rehearsed(Exception):
    """Takes back what was done only to see what it does."""


def preview(*, plan: Plan, actor: User, now: datetime) -> Preview:
    """Say what the set would do, line by line: the same statements in a transaction that is undone. Writes nothing.

    Raises InvalidInput without a member or with too many, OffersModuleOff.
    """
    lines = grant_batch_lines.find(plan)
    seen: list[Preview] = []

    def work() -> None:
        seen[:] = [_rehearse(plan, lines, actor, now)]

    in_transaction(work)
    return seen[0]


def _rehearse(plan: Plan, lines: Sequence[Line], actor: User, now: datetime) -> Preview:
    bounds = allowances.bounds(programme=plan.programme, agent=actor)
    used = allowances.usage(programme=plan.programme, agent=actor, now=now)
    offer, left = plan.template.config_offer, None
    if offer.require_vouchers:
        left = vouchers.codes_left(bank=offer.voucher_bank, now=now)
    found: list[Preview] = []
    batch = uuid4()
    try:
        with transaction.atomic():
            # As if approved: what goes beyond a limit is said, and not refused.
            told = give(plan, lines, batch, actor, now, approved_by=actor)
            given = [line for line in told if line.assignment_id]
            ids = [line.assignment_id for line in given if line.assignment_id]
            excesses = allowance.exceeded(
                programme=plan.programme,
                agent=actor,
                member_ids=[line.member_id for line in given if line.member_id],
                assignment_ids=ids,
                bounds=bounds,
                now=now,
            )
            spent = cost(batch, actor)
            single = allowances.dearest(assignment_ids=ids)
            found.append(Preview(told, _counts(told), spent, single, left, excesses if ids else [], used))
            raise _Rehearsed
    except _Rehearsed:
        return found[0]


def make(*, plan: Plan, reference: UUID, actor: User, now: datetime) -> GrantBatch:
    """Give the set as one, or let it wait for a second person where it goes beyond a limit as a whole.

    One transaction: all of it stands, or nothing. The same form again answers with the set that it made. The number of
    statements does not depend on the number of members. Raises InvalidInput without a member or with too many, and
    OffersModuleOff. (B-05, S0-11)

    Lock order: the set's row, the agent, the members, then as any set of grants.
    """

    def work() -> GrantBatch:
        form = {"programme": plan.programme, "asked_by": actor, "reference": reference}
        known = GrantBatch.objects.filter(**form).first()
        if known is not None:
            return known
        lines = grant_batch_lines.find(plan)
        batch = GrantBatch(
            **form,
            template=plan.template,
            terms=orjson.loads(orjson.dumps(dict(plan.terms))),
            is_again=plan.is_again,
            asked_at=now,
            expires_at=now + timedelta(days=WAITING_DAYS),
            state=State.GRANTED,
            granted_at=now,
            **plan.why.as_dict(),
        )
        # First of all, so that the same form sent twice at once meets itself here.
        batch.save(force_insert=True)
        try:
            with transaction.atomic():
                lines = give(plan, lines, batch.pk, actor, now)
            batch.counts, batch.exposure_minor = _counts(lines), cost(batch.pk, actor)
        except Beyond as beyond:
            foreseen = _rehearse(plan, lines, actor, now)
            batch.state, batch.granted_at = State.WAITING, None
            batch.counts, batch.exposure_minor = foreseen.counts, foreseen.exposure_minor
            batch.excesses = [each.as_stored() for each in beyond.excesses]
        batch.save()
        _keep(batch, lines)
        note(batch, "asked" if batch.state == State.WAITING else "granted", actor)
        return batch

    try:
        return in_transaction(work)
    except IntegrityError as error:
        if not is_violation(error, ONCE):
            raise
        # The same form twice at once, and the other one was first: its set stands.
        return in_transaction(work)


def undo(*, programme: Programme, batch_id: UUID, actor: User, now: datetime) -> GrantBatch:
    """Take a set back, within minutes, all of it that nobody used; each line says what became of it.

    Raises TooLate after `UNDO_MINUTES` or where it was undone, and NotFound for others' sets. (B-05, D-10)
    """

    def work() -> GrantBatch:
        batch = locked(programme, batch_id)
        if actor.pk not in (batch.asked_by_id, batch.decided_by_id):
            raise NotFound(_("There is no such set of yours."))
        if batch.state != State.GRANTED or not is_undoable(batch, now):
            raise TooLate(_("A set is undone within %(n)d minutes, once.") % {"n": UNDO_MINUTES})
        lines = GrantBatchLine.objects.filter(batch=batch, assignment__isnull=False)
        undone = grant_set_undo.undo(
            programme=programme,
            offer=batch.template.config_offer,
            assignment_ids=[key for key in lines.values_list("assignment_id", flat=True) if key],
            given_at=batch.granted_at or now,
            actor=actor,
            now=now,
        )
        execute(
            TELL_UNDONE,
            {"batch": batch.pk, "assignments": list(undone.results), "results": list(undone.results.values())},
        )
        batch.state, batch.undone_at = State.UNDONE, now
        batch.save()
        note(batch, "undone", actor, {"undone": len(undone.taken), "codes_returned": undone.codes_returned})
        return batch

    return in_transaction(work)


def is_undoable(batch: GrantBatch, now: datetime) -> bool:
    """Say whether the set was given so short ago that it can be undone."""
    return batch.granted_at is not None and now - batch.granted_at <= timedelta(minutes=UNDO_MINUTES)


def give(
    plan: Plan,
    lines: Sequence[Line],
    batch: UUID,
    actor: User,
    now: datetime,
    approved_by: User | None = None,
) -> list[Line]:
    """Give it to whom it is for, as one set; return the lines with what became of them. Raises Beyond."""
    wanted = [line.member_id for line in lines if not line.outcome and line.member_id is not None]
    answers = grant_set.grant(
        programme=plan.programme,
        member_ids=wanted,
        template=plan.template,
        terms=plan.terms,
        batch=batch,
        why=plan.why,
        actor=actor,
        now=now,
        approved_by=approved_by,
    )
    became: dict[int | None, Outcome] = {member: answer.outcome for member, answer in zip(wanted, answers, strict=True)}
    told = []
    for line in lines:
        outcome = None if line.outcome else became.get(line.member_id)
        told.append(replace(line, outcome=outcome.code, assignment_id=outcome.assignment_id) if outcome else line)
    return told


def _counts(lines: Sequence[Line]) -> dict[str, int]:
    return dict(Counter(line.outcome for line in lines))


def cost(batch: UUID, agent: User) -> int:
    rows_ = GrantLedgerEntry.objects.filter(batch=batch, agent=agent, n=1).values_list("exposure_minor", flat=True)
    return sum(rows_)


def _keep(batch: GrantBatch, lines: Sequence[Line]) -> None:
    execute(
        KEEP,
        {
            "batch": batch.pk,
            "places": [line.place for line in lines],
            "lines": [line.line for line in lines],
            # Whoever reads the set may not see how members are reached.
            "named": [contact.masked_email(line.named) if "@" in line.named else line.named for line in lines],
            "members": [line.member_id for line in lines],
            "outcomes": [line.outcome for line in lines],
            "assignments": [line.assignment_id for line in lines],
        },
    )


def locked(programme: Programme, batch_id: UUID) -> GrantBatch:
    known = GrantBatch.objects.select_for_update(of=("self",)).select_related(
        "asked_by", "decided_by", "template__config_offer"
    )
    batch = known.filter(programme=programme, pk=batch_id).first()
    if batch is None:
        raise NotFound(_("There is no such set here."))
    return batch


def note(batch: GrantBatch, done: str, actor: User, data: Mapping[str, Any] | None = None) -> None:
    told = {"counts": batch.counts, "exposure_minor": batch.exposure_minor} | dict(data or {})
    audit.record(action=f"grant_batch.{done}", actor=actor, programme=batch.programme, target=batch, data=told)
