"""Reissuing: the old assignment is void, a new one takes its place and keeps the chain (B-06)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from loyalty.database import in_transaction
from loyalty.models import Programme
from offers import rules
from offers.models import Assignment, Source, VoucherCode
from offers.services import assignment, extension, verb, voucher_tape
from offers.services.assignment import Grant, Outcome
from offers.services.reason import Reason
from offers.services.verb import By


@dataclass(frozen=True)
class Reissue:
    """What came of it: `reissued` or `already_reissued` with the successor's id, or why not.

    Refusals: `revoked`, `closed`, `used_up`, `redeemed`, `imported`, `in_the_past`, `beyond_offer`, or the outcome
    of the new grant with its reasons (`out_of_codes`, `offer_closed`, `member_inactive` …): then nothing was changed.
    """

    code: str
    assignment_id: UUID | None = None
    reasons: Sequence[Reason] = ()
    latest: datetime | None = None

    @property
    def is_reissued(self) -> bool:
        return self.assignment_id is not None


class _Refused(Exception):
    """The new grant was refused: undoes the voiding of the old one."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


def reissue(
    *,
    programme: Programme,
    assignment_id: UUID,
    reason: str,
    by: By,
    now: datetime,
    ends_at: datetime | None = None,
) -> Reissue:
    """Void an expired or lost assignment and give its member the same offer anew, in one transaction.

    The old code is void first: its outbox row stands before the new one's. The new assignment has the old one's
    template, given values, campaign, rank and fields, under the offer as published now, another code, and an end of
    its own: `ends_at`, or what the values say. She accepts it anew. Again is the same answer; a reissue may be
    reissued, a used one not, so an offer is never redeemed twice along a chain. Raises NotFound. (B-06, D-01, D-14)

    Lock order: the bank's open segments, the old assignment's row, then the new one's holding.
    """
    try:
        return in_transaction(lambda: _reissue(programme, assignment_id, reason, by, now, ends_at))
    except _Refused as refused:
        return Reissue(refused.outcome.code, reasons=refused.outcome.reasons)


def _reissue(
    programme: Programme, assignment_id: UUID, reason: str, by: By, now: datetime, ends_at: datetime | None
) -> Reissue:
    _lock_bank(programme, assignment_id, now)
    held = verb.lock(programme=programme, assignment_id=assignment_id)
    successor = Assignment.objects.filter(member_id=held.member_id, replaces_id=held.pk).first()
    if successor is not None:
        return Reissue("already_reissued", successor.pk)
    refusal = _refusal(held, ends_at, now)
    if refusal:
        return refusal
    old_code = held.voucher_code
    unseen = verb.end(held, "revoked_at", "reissued", by=by, now=now, reason=reason, is_freed=True)
    if unseen is None and old_code is not None:
        # Somebody saw it: it stays with the old record, and no till takes it.
        VoucherCode.objects.filter(pk=old_code.pk, voided_at__isnull=True).update(voided_at=now)
    [outcome] = assignment.assign(
        programme=programme,
        grants=[_grant(held, ends_at, now)],
        source=by.source or Source.SUPPORT,
        actor=by.actor,
        now=now,
    )
    if outcome.assignment_id is None:
        raise _Refused(outcome)
    if unseen:
        # After the draw, or the new one might get the very code that was lost.
        voucher_tape.give_back(code_ids=[unseen.pk])
    return Reissue("reissued", outcome.assignment_id)


def _lock_bank(programme: Programme, assignment_id: UUID, now: datetime) -> None:
    """Lock the bank before the row, as grants do."""
    bank = (
        Assignment.objects.of_programme(programme)
        .filter(pk=assignment_id, config_offer__require_vouchers=True)
        .values_list("config_offer__voucher_bank", flat=True)
        .first()
    )
    if bank is not None:
        voucher_tape.lock(bank_ids=[bank], now=now)


def _refusal(held: Assignment, ends_at: datetime | None, now: datetime) -> Reissue | None:
    if held.revoked_at or held.used_up_at or held.closed_at:
        return Reissue("revoked" if held.revoked_at else "used_up" if held.used_up_at else "closed")
    if held.redemptions.standing().exists():
        return Reissue("redeemed")
    if held.source == Source.ATTRIBUTE:
        return Reissue("imported")
    if ends_at is None:
        return None
    if ends_at <= now:
        return Reissue("in_the_past")
    latest = extension.end_of_offer(held)
    return Reissue("beyond_offer", latest=latest) if latest and ends_at > latest else None


def _grant(held: Assignment, ends_at: datetime | None, now: datetime) -> Grant:
    return Grant(
        member_id=held.member_id,
        template_id=held.template_id,
        terms=_terms(held, ends_at, now),
        campaign_id=held.campaign_id,
        rank=held.rank,
        fields=held.fields,
        replaces_id=held.pk,
    )


def _terms(held: Assignment, ends_at: datetime | None, now: datetime) -> Mapping[str, Any]:
    given = dict(held.terms or {})
    if ends_at is not None:
        begins = held.starts_at if held.starts_at and held.starts_at > now else None
        period = {"starts_at": begins.isoformat() if begins else None, "ends_at": ends_at.isoformat()}
        return given | {"validity": period}
    own = {kind: value for kind, value in given.items() if kind == "validity"}
    over = rules.fixed_end(own, zone=held.config_offer.programme.zone)
    if over and over <= now and "validity" not in held.template.required_rules:
        # A period that is over says nothing any more: the offer's own begins anew.
        del given["validity"]
    return given
