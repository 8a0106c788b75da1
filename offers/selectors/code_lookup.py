"""A code at the till: which assignment it belongs to, and whether who came with it may use it (D-12, D-13)."""

from dataclasses import dataclass
from datetime import datetime

from loyalty.models import Programme
from offers.models import Assignment


@dataclass(frozen=True)
class Found:
    """What a code leads to: `usable` with its assignment, or why not.

    Refusals: `unknown_code`, `ambiguous_code` (several offers have it: name the offer), `member_required` and
    `another_members` (the offer's codes work only for the member they were given to), `code_void`, `code_expired`,
    or the assignment's status (`used_up`, `revoked`, `closed`, `expired`, `waiting_for_till`,
    `waiting_for_acceptance`, `upcoming`).
    """

    code: str
    assignment: Assignment | None = None

    @property
    def is_usable(self) -> bool:
        return self.code == "usable"


def by_code(
    *, programme: Programme, code: str, now: datetime, member: str | None = None, offer: str | None = None
) -> Found:
    """Find the assignment that holds the code, for the member with that external id or for its bearer; one query.

    Banks' codes and tills' are found alike. A refusal about who came says nothing of the assignment, so that nobody
    learns of it by trying codes. Without an assignment nobody uses a personalized offer.
    """
    found = Assignment.objects.filter(
        voucher_code__code=code, config_offer__programme=programme, member__programme=programme
    ).select_related("member", "config_offer", "voucher_code__segment", "revision", "template", "campaign")
    if offer is not None:
        found = found.filter(config_offer__offer_reference=offer)
    held = list(found[:2])
    if len(held) != 1:
        return Found("ambiguous_code" if held else "unknown_code")
    [one] = held
    if member is None and not one.config_offer.is_bearer:
        return Found("member_required")
    if member is not None and member != one.member.external_id and not one.config_offer.is_bearer:
        return Found("another_members")
    return Found(_state(one, now), one)


def _state(held: Assignment, now: datetime) -> str:
    status = held.status(now)
    code = held.voucher_code
    if status not in {"revoked", "used_up", "closed"} and code is not None:
        if code.voided_at:
            return "code_void"
        if code.segment and code.segment.expires_at and code.segment.expires_at <= now:
            return "code_expired"
    return status
