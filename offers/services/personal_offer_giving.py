"""Some rows of an import, done: what is new is given, what changed gets a successor, what is gone is withdrawn (D-14).

One set, one transaction: the offer's lock, the bank, the old assignments, then `assign`. A changed value whose
successor is refused leaves its member what she had: the set is undone to before it ended anything, and done without
her.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from loyalty.database import execute
from offers.models import (
    AssignmentEvent,
    ConfigOffer,
    OfferTemplate,
    PersonalOfferImport,
    PersonalOfferRow,
    PersonalOfferValue,
    Source,
)
from offers.services import assignment, personal_offer_ending, voucher_tape
from offers.services.assignment import Grant, Outcome
from offers.services.personal_offer_ending import Held
from offers.services.verb import By

Row = PersonalOfferRow
Result = PersonalOfferRow.Outcome
# What a row is decided by. Its terms, which are most of it, are read of those alone that are given something.
FIELDS = ("number", "member_id", "rank", "digest", "core_digest")
KEEP_ACCEPTED = """
    UPDATE offers_assignment AS successor
       SET accepted_at = kept.accepted_at
      FROM unnest(%(ids)s::uuid[], %(moments)s::timestamptz[]) AS kept (id, accepted_at)
     WHERE successor.id = kept.id
"""
SET_VALUES = """
    INSERT INTO offers_personaloffervalue
           (config_offer_id, member_id, upload_id, assignment_id, value, digest, core_digest, updated_at)
    SELECT %(offer_id)s, row.member_id, row.upload_id, given.assignment_id, row.value, row.digest, row.core_digest,
           %(now)s
      FROM unnest(%(numbers)s::bigint[], %(assignments)s::uuid[]) AS given (number, assignment_id)
      JOIN offers_personalofferrow AS row ON row.upload_id = %(upload_id)s AND row.number = given.number
     ORDER BY row.member_id
        ON CONFLICT (config_offer_id, member_id) DO UPDATE
       SET upload_id = excluded.upload_id, assignment_id = excluded.assignment_id, value = excluded.value,
           digest = excluded.digest, core_digest = excluded.core_digest, updated_at = excluded.updated_at
"""
SET_ROWS = """
    UPDATE offers_personalofferrow AS row
       SET outcome = done.outcome, reasons = done.reasons, acceptance = done.acceptance, had_uses = done.had_uses,
           assignment_id = done.assignment_id, previous_id = done.previous_id
      FROM jsonb_to_recordset(%(done)s::jsonb)
           AS done (number bigint, outcome text, reasons jsonb, acceptance text, had_uses boolean, assignment_id uuid,
                    previous_id uuid)
     WHERE row.upload_id = %(upload_id)s AND row.number = done.number
"""


@dataclass
class _Done:
    """What became of one row."""

    row: Row
    outcome: str
    assignment_id: UUID | None = None
    previous: Held | None = None
    acceptance: str = ""
    had_uses: bool = False
    reasons: Sequence[Mapping[str, Any]] = ()


@dataclass
class _Work:
    """A set's rows by what is to be done with them; `held` is what changed and withdrawn values gave."""

    new: list[Row] = field(default_factory=list)
    changed: list[tuple[Row, PersonalOfferValue]] = field(default_factory=list)
    withdrawn: list[tuple[Row, PersonalOfferValue]] = field(default_factory=list)
    done: list[_Done] = field(default_factory=list)


class _Refused(Exception):
    """Successors that were refused: undoes what the set ended."""

    def __init__(self, refused: Mapping[int, Outcome]) -> None:
        super().__init__()
        self.refused = refused


def lock_offer(*, offer_id: int) -> None:
    """Have the offer's attributes to oneself until the transaction ends."""
    execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"personal offer {offer_id}"])


def give(*, upload: PersonalOfferImport, offer: ConfigOffer, rows: Sequence[Row], by: By, now: datetime) -> None:
    """Do the rows, none of which has a problem or was done, and write what became of each. In a transaction.

    At most a thousand: the events of what is ended name them. The number of statements does not depend on theirs, but
    grows with how many rounds of changed values are refused, mostly none.
    """
    if not rows:
        return
    lock_offer(offer_id=offer.pk)
    work = _sorted(offer, rows)
    refused: dict[int, Outcome] = {}
    while True:
        try:
            with transaction.atomic():
                done = _do(upload, offer, work, refused, by, now)
            break
        except _Refused as error:
            refused |= error.refused
    _write(upload, offer, [*work.done, *done], now)


def _sorted(offer: ConfigOffer, rows: Sequence[Row]) -> _Work:
    """Compare with what counts now, under the offer's lock."""
    found = PersonalOfferValue.objects.filter(config_offer=offer, member__in=[row.member_id for row in rows])
    values = {value.member_id: value for value in found.defer("value")}
    work = _Work()
    for row in rows:
        value = values.get(row.member_id or 0)
        if not row.digest:
            if value is None:
                # Withdrawn by somebody else since.
                work.done.append(_Done(row, Result.WITHDRAWN))
            else:
                work.withdrawn.append((row, value))
        elif value is None:
            work.new.append(row)
        elif value.digest == row.digest:
            work.done.append(_Done(row, Result.UNCHANGED, assignment_id=value.assignment_id))
        else:
            work.changed.append((row, value))
    return work


def _do(
    upload: PersonalOfferImport,
    offer: ConfigOffer,
    work: _Work,
    refused: Mapping[int, Outcome],
    by: By,
    now: datetime,
) -> list[_Done]:
    if offer.require_vouchers:
        voucher_tape.lock(bank_ids=[offer.voucher_bank.pk], now=now)
    changed = [(row, value) for row, value in work.changed if row.number not in refused]
    held = personal_offer_ending.lock(ids=[value.assignment_id for _row, value in [*changed, *work.withdrawn]], now=now)
    # Whoever had the offer's lock before may have read the clock later: nothing ends before it began.
    began = [max(one.issued_at, one.accepted_at or one.issued_at) for one in held.values()]
    now = max([now, *began])
    before = {row.number: held[value.assignment_id] for row, value in [*changed, *work.withdrawn]}
    of_changed = [before[row.number] for row, _value in changed if not before[row.number].is_over]
    of_withdrawn = [before[row.number] for row, _value in work.withdrawn if not before[row.number].is_over]
    replaced = [one for one in of_changed if not one.has_uses]
    codes = personal_offer_ending.end(
        offer=offer,
        replaced=replaced,
        withdrawn=[one for one in of_withdrawn if not one.has_uses],
        closed=[one for one in of_changed if one.has_uses],
        closed_for_good=[one for one in of_withdrawn if one.has_uses],
        by=by,
        now=now,
    )
    successors = {one.id for one in replaced}
    wishes = [*work.new, *(row for row, _value in changed)]
    outcomes = _assign(upload, offer, wishes, before, successors, by, now)
    failed = {row.number: outcomes[row.number] for row, _value in changed if not outcomes[row.number].is_assigned}
    if failed:
        raise _Refused(failed)
    if codes:
        voucher_tape.give_back(code_ids=codes)
    done = [_given(row, Result.NEW, outcomes[row.number]) for row in work.new]
    done += [_changed(row, value, before[row.number], outcomes[row.number]) for row, value in changed]
    done += [
        _Done(
            row, Result.REFUSED, previous=None, assignment_id=value.assignment_id, reasons=_reasons(refused[row.number])
        )
        for row, value in work.changed
        if row.number in refused
    ]
    done += [_withdrawn(row, before[row.number]) for row, _value in work.withdrawn]
    _keep_accepted([one for one in done if one.acceptance == Row.Acceptance.KEPT], by, now)
    return done


def _assign(
    upload: PersonalOfferImport,
    offer: ConfigOffer,
    wishes: Sequence[Row],
    before: Mapping[int, Held],
    successors: set[UUID],
    by: By,
    now: datetime,
) -> dict[int, Outcome]:
    if not wishes:
        return {}
    template_id = OfferTemplate.objects.values_list("pk", flat=True).get(config_offer=offer, is_default=True)
    found = Row.objects.filter(upload_id=upload.pk, number__in=[row.number for row in wishes])
    terms: dict[int, Any] = dict(found.values_list("number", "terms"))
    grants = []
    for row in wishes:
        old = before.get(row.number)
        grants.append(
            Grant(
                template_id=template_id,
                member_id=row.member_id,
                terms=terms[row.number],
                rank=row.rank,
                replaces_id=old.id if old and old.id in successors else None,
            )
        )
    outcomes = assignment.assign(
        programme=offer.programme, grants=grants, source=Source.ATTRIBUTE, actor=by.actor, now=now
    )
    return {row.number: outcome for row, outcome in zip(wishes, outcomes, strict=True)}


def _given(row: Row, outcome: str, given: Outcome) -> _Done:
    if not given.is_assigned:
        return _Done(row, Result.REFUSED, reasons=_reasons(given))
    return _Done(row, outcome, assignment_id=given.assignment_id)


def _changed(row: Row, value: PersonalOfferValue, held: Held, given: Outcome) -> _Done:
    done = _given(row, Result.CHANGED, given)
    done.previous, done.had_uses = held, held.has_uses
    if held.accepted_at:
        # What she accepted is still what she gets, or it is not (D-14).
        is_same = value.core_digest == row.core_digest
        done.acceptance = Row.Acceptance.KEPT if is_same else Row.Acceptance.LOST
    return done


def _withdrawn(row: Row, held: Held) -> _Done:
    outcome = Result.LEFT_AS_USED if held.has_uses else Result.WITHDRAWN
    return _Done(row, outcome, previous=held, had_uses=held.has_uses)


def _reasons(given: Outcome) -> list[dict[str, Any]]:
    """Return why, as a door keeps it: the outcome first."""
    return [{"outcome": given.code}, *(reason.as_stored() for reason in given.reasons)]


def _keep_accepted(kept: Sequence[_Done], by: By, now: datetime) -> None:
    """Let successors stand as accepted when their predecessors were: the moment is the member's own."""
    pairs = [(one.assignment_id, one.previous) for one in kept if one.assignment_id and one.previous]
    if not pairs:
        return
    moments = [held.accepted_at for _id, held in pairs]
    execute(KEEP_ACCEPTED, {"ids": [assignment_id for assignment_id, _held in pairs], "moments": moments})
    AssignmentEvent.objects.bulk_create(
        AssignmentEvent(
            assignment_id=assignment_id,
            at=now,
            verb="accepted",
            source=Source.ATTRIBUTE,
            actor=by.actor,
            api_client=by.api_client,
            data={
                "reason": "attribute_unchanged_in_what_was_accepted",
                "predecessor": str(held.id),
                "accepted_at": [None, held.accepted_at.isoformat() if held.accepted_at else None],
            },
        )
        for assignment_id, held in pairs
    )


def _write(upload: PersonalOfferImport, offer: ConfigOffer, done: Sequence[_Done], now: datetime) -> None:
    """Keep the values that count from now on, forget those that are gone, and answer each row."""
    given = [one for one in done if one.outcome in (Result.NEW, Result.CHANGED)]
    if given:
        execute(
            SET_VALUES,
            {
                "offer_id": offer.pk,
                "upload_id": upload.pk,
                "numbers": [one.row.number for one in given],
                "assignments": [one.assignment_id for one in given],
                "now": now,
            },
        )
    gone = [one.row.member_id for one in done if one.outcome in (Result.WITHDRAWN, Result.LEFT_AS_USED)]
    if gone:
        PersonalOfferValue.objects.filter(config_offer=offer, member__in=gone).delete()
    answers = [
        {
            "number": one.row.number,
            "outcome": str(one.outcome),
            "reasons": list(one.reasons) or None,
            "acceptance": str(one.acceptance),
            "had_uses": one.had_uses,
            "assignment_id": one.assignment_id,
            "previous_id": one.previous.id if one.previous else None,
        }
        for one in done
    ]
    execute(SET_ROWS, {"upload_id": upload.pk, "done": orjson.dumps(answers).decode()})
