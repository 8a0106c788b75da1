"""Using an offer: at a till, or marked by hand at the desk; and giving a use back (D-01, D-08, B-06).

The one place that writes redemptions of assignments. A use that is given back keeps its row, with the moment: the other
way, deleting it, would free its external id, and a till's message that comes twice would use the offer again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from loyalty.database import execute, in_transaction, is_violation
from loyalty.errors import NotFound
from loyalty.models import Programme, Purchase
from offers import rules
from offers.models import Assignment, AssignmentEvent, Redemption
from offers.rules import redemption_limit
from offers.services import grant_ledger, verb
from offers.services.closing import ONE_OPEN
from offers.services.revocation import UNDO_SECONDS
from offers.services.verb import By

ONCE = "a_redemption_external_id_is_used_once_per_programme"


@dataclass(frozen=True)
class Use:
    """What is said of a use: when it was, its receipt where there is one, what it was worth in minor units."""

    external_id: str
    redeemed_at: datetime
    purchase: Purchase | None = None
    benefit_minor: int | None = None
    points: int | None = None


@dataclass(frozen=True)
class Redeemed:
    """What came of it: `redeemed`, or `already_redeemed` (the same external id again), or why not.

    Refusals: the assignment's status at the moment of use (`revoked`, `used_up`, `closed`, `expired`, `upcoming`,
    `waiting_for_till`, `waiting_for_acceptance`), `in_the_future`, `before_issue`, `unknown_receipt` (there is none, or
    it is not hers), `receipt_counted` (this receipt counts for this offer already, whichever assignment used it),
    `reference_used` (the external id is another assignment's use).
    """

    code: str
    redemption: Redemption | None = None
    left: int = 0
    """How often it may still be used."""

    @property
    def is_redeemed(self) -> bool:
        return self.redemption is not None


@dataclass(frozen=True)
class Return:
    """What came of giving a use back: `returned`, or `already_returned`; refusals: `too_late`, `already_held`."""

    code: str


def redeem(*, programme: Programme, assignment_id: UUID, use: Use, by: By, now: datetime, reason: str = "") -> Redeemed:
    """Use the assignment once. The same external id again is the same answer and changes nothing.

    The last use that its terms allow makes it used up, which frees what she holds only where she may have one open at
    a time (D-01). Whether it could be used is judged at the moment of use, which may be past: she was at the till
    before she called. Writes the redemption, its event and its outbox row. Raises NotFound, also for another's.

    Lock order: the assignment's row, then the receipt's, which her other assignments of the offer may use at once.
    """

    def work() -> Redeemed:
        held = verb.lock(programme=programme, assignment_id=assignment_id)
        known = Redemption.objects.filter(programme=programme, external_id=use.external_id).first()
        standing = Redemption.objects.standing().filter(assignment=held)
        if known is not None:
            is_same = known.assignment_id == held.pk
            return Redeemed("already_redeemed", known, _left(held, standing.count())) if is_same else _taken()
        used = standing.count()
        refusal = _refusal(held, use, used, now)
        if refusal:
            return Redeemed(refusal)
        return _redeem(held, use, used, by=by, reason=reason, now=now)

    return in_transaction(work)


def undo(*, programme: Programme, assignment_id: UUID, external_id: str, by: By, now: datetime) -> Return:
    """Give back the use that this person marked a moment ago; after `UNDO_SECONDS` it is `too_late`.

    Raises NotFound where it was not hers. Otherwise as `give_back`.
    """

    def work() -> Return:
        mark = AssignmentEvent.objects.filter(
            assignment_id=assignment_id, verb="redeemed", actor=by.actor, data__redemption=external_id
        ).first()
        if mark is None or by.actor is None:
            raise NotFound(_("There is nothing of yours to undo here."))
        if now - mark.at > timedelta(seconds=UNDO_SECONDS):
            return Return("too_late")
        return give_back(
            programme=programme, assignment_id=assignment_id, external_id=external_id, by=by, now=now, reason="undone"
        )

    return in_transaction(work)


def give_back(
    *, programme: Programme, assignment_id: UUID, external_id: str, by: By, now: datetime, reason: str
) -> Return:
    """Give a use back: it counts no more, and what was used up by it can be used again.

    Where she may have one open at a time and was given another one since, the answer is `already_held` and nothing
    changes. What ended otherwise stays ended; of what is revoked the last use that stands is what it was counted for,
    so with it the grant and its share of limits go back. Again is the same answer. Raises NotFound.

    Lock order: the assignment's row, then, if it is revoked, the member's count and the limits, as revoking it.
    """

    def work() -> Return:
        held = verb.lock(programme=programme, assignment_id=assignment_id)
        redemption = Redemption.objects.filter(assignment=held, external_id=external_id).first()
        if redemption is None:
            raise NotFound(_("There is no such use of this offer."))
        if redemption.returned_at:
            return Return("already_returned")
        return _give_back(held, redemption, by=by, reason=reason, now=now)

    return in_transaction(work)


def _taken() -> Redeemed:
    return Redeemed("reference_used")


def _refusal(held: Assignment, use: Use, used: int, now: datetime) -> str:
    if use.redeemed_at > now:
        return "in_the_future"
    if use.redeemed_at < held.issued_at and not (held.revoked_at or held.used_up_at or held.closed_at):
        return "before_issue"
    status = held.status(use.redeemed_at)
    if status != "usable":
        return status
    if _left(held, used) <= 0:
        return "used_up"
    if use.purchase is not None:
        if use.purchase.member_id != held.member_id:
            return "unknown_receipt"
        if _is_counted(held, use.purchase):
            return "receipt_counted"
    return ""


def _is_counted(held: Assignment, purchase: Purchase) -> bool:
    """Say whether the receipt counts for the offer; it is locked, so that nobody counts it at the same time."""
    execute("SELECT FROM loyalty_purchase WHERE id = %s FOR NO KEY UPDATE", [purchase.pk])
    return (
        Redemption.objects.standing()
        .filter(member_id=held.member_id, config_offer_id=held.config_offer_id, purchase=purchase)
        .exists()
    )


def _left(held: Assignment, used: int) -> int:
    return redemption_limit.uses(rules.effective(held.revision.terms, held.terms or {})) - used


def _redeem(held: Assignment, use: Use, used: int, *, by: By, reason: str, now: datetime) -> Redeemed:
    try:
        with transaction.atomic():
            redemption = Redemption.objects.create(
                programme_id=held.config_offer.programme_id,
                member_id=held.member_id,
                config_offer_id=held.config_offer_id,
                assignment=held,
                purchase=use.purchase,
                external_id=use.external_id,
                redeemed_at=use.redeemed_at,
                benefit_minor=use.benefit_minor,
                points=use.points,
            )
    except IntegrityError as error:
        # Another assignment's use got the same external id meanwhile.
        if not is_violation(error, ONCE):
            raise
        return _taken()
    left = _left(held, used + 1)
    changes: dict[str, Any] = {}
    if left <= 0:
        changes = {"used_up_at": [None, now.isoformat()]}
        values: dict[str, Any] = {"used_up_at": now, "updated_at": now}
        if held.holding_key == ONE_OPEN:
            changes["holding_key"] = [ONE_OPEN, None]
            values["holding_key"] = None
        Assignment.objects.filter(pk=held.pk).update(**values)
    links = {"redemption": redemption.external_id}
    verb.record(held.pk, "redeemed", by=by, now=now, reason=reason, changes=changes, links=links)
    told = links | {
        "benefit_minor": use.benefit_minor,
        "points": use.points,
        "purchase": use.purchase.external_id if use.purchase else None,
        "is_used_up": left <= 0,
    }
    verb.tell(held, "redeemed", data=told)
    return Redeemed("redeemed", redemption, max(left, 0))


def _was_freed(held: Assignment) -> bool:
    """Say whether the use that made it used up let its holding go: what had expired may have let go before."""
    last = held.events.filter(verb="redeemed", data__has_key="used_up_at").order_by("-at", "-pk").first()
    return last is not None and last.data.get("holding_key") == [ONE_OPEN, None]


def _give_back(held: Assignment, redemption: Redemption, *, by: By, reason: str, now: datetime) -> Return:
    changes: dict[str, Any] = {"returned_at": [None, now.isoformat()]}
    if held.used_up_at:
        changes["used_up_at"] = [held.used_up_at.isoformat(), None]
        values: dict[str, Any] = {"used_up_at": None, "updated_at": now}
        is_open = not held.revoked_at and not held.closed_at and not (held.ends_at and held.ends_at <= now)
        if is_open and held.holding_key is None and _was_freed(held):
            changes["holding_key"] = [None, ONE_OPEN]
            values["holding_key"] = ONE_OPEN
        try:
            with transaction.atomic():
                Assignment.objects.filter(pk=held.pk).update(**values)
        except IntegrityError as error:
            if not is_violation(error, "a_member_holds_an_offer_once_per_key"):
                raise
            return Return("already_held")
    Redemption.objects.filter(pk=redemption.pk).update(returned_at=now)
    links = {"redemption": redemption.external_id}
    verb.record(held.pk, "returned", by=by, now=now, reason=reason, changes=changes, links=links)
    verb.tell(held, "returned", data=links | {"reason": reason})
    if held.revoked_at and not held.redemptions.standing().exists():
        # Writing the row, as whoever takes back does: setting a first limit waits for writers before it counts.
        Assignment.objects.filter(pk=held.pk).update(updated_at=now)
        verb.give_share_back(held)
        grant_ledger.take_back(held=held, now=now)
    return Return("returned")
