"""Giving a member more time: a later end, within what the offer and its code still allow."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from loyalty.database import in_transaction
from loyalty.models import Programme
from offers import rules
from offers.models import Assignment, RepeatPolicy, Source
from offers.services import verb
from offers.services.closing import ONE_OPEN
from offers.services.verb import By


@dataclass(frozen=True)
class Extension:
    """What came of it: `extended` or `already_extended`, or why not; `latest` is the last end that would do.

    Refusals: `revoked`, `used_up`, `closed`, `imported`, `without_end`, `offer_closed`, `in_the_past`, `not_later`,
    `beyond_offer`, `beyond_code`, `already_held`.
    """

    code: str
    ends_at: datetime | None = None
    latest: datetime | None = None

    @property
    def is_extended(self) -> bool:
        return self.code in {"extended", "already_extended"}


@dataclass(frozen=True)
class Bound:
    """The latest end that an assignment may get, and the refusal of a later one; no moment: no bound."""

    at: datetime | None = None
    code: str = ""


def extend(
    *, programme: Programme, assignment_id: UUID, ends_at: datetime, reason: str, by: By, now: datetime
) -> Extension:
    """Let the assignment end later; one that has expired comes to life again.

    The same end again is the same answer. What an import made is the import's (D-14). Where a member may have one
    open at a time, an expired one is taken up again only while she has no other (D-01). Raises NotFound.
    """

    def work() -> Extension:
        held = verb.lock(programme=programme, assignment_id=assignment_id)
        if held.revoked_at or held.used_up_at or held.closed_at:
            return Extension("revoked" if held.revoked_at else "used_up" if held.used_up_at else "closed")
        if held.source == Source.ATTRIBUTE:
            return Extension("imported")
        if held.ends_at == ends_at:
            return Extension("already_extended", ends_at)
        refusal = _refusal(held, ends_at, now)
        return refusal or _extend(held, ends_at, reason, by, now)

    return in_transaction(work)


def bound(held: Assignment) -> Bound:
    """Return how long the assignment, loaded with its offer and code, may last at most.

    The offer's own fixed period bounds it, as published now; so does its code's expiry. Days from the issue do not:
    they say how long it lasts unless somebody prolongs it.
    """
    ends = [Bound(*end) for end in ((end_of_offer(held), "beyond_offer"), (_end_of_code(held), "beyond_code"))]
    return min((end for end in ends if end.at), key=lambda end: (end.at, end.code), default=Bound())


def _refusal(held: Assignment, ends_at: datetime, now: datetime) -> Extension | None:
    if held.ends_at is None:
        return Extension("without_end")
    if not held.config_offer.is_published:
        return Extension("offer_closed")
    if ends_at <= now or ends_at < held.ends_at:
        return Extension("in_the_past" if ends_at <= now else "not_later", held.ends_at)
    latest = bound(held)
    if latest.at and ends_at > latest.at:
        return Extension(latest.code, held.ends_at, latest.at)
    return None


def _extend(held: Assignment, ends_at: datetime, reason: str, by: By, now: datetime) -> Extension:
    # The given period says the same as the moments, so that the terms in words are true.
    period = {"starts_at": held.starts_at.isoformat() if held.starts_at else None, "ends_at": ends_at.isoformat()}
    given = held.terms or {}
    changes = {
        "ends_at": [held.ends_at.isoformat() if held.ends_at else None, ends_at.isoformat()],
        "validity": [given.get("validity"), period],
    }
    values = {"ends_at": ends_at, "terms": given | {"validity": period}, "updated_at": now}
    if held.holding_key is None and held.config_offer.repeat_policy == RepeatPolicy.ONE_OPEN:
        # It had expired and let go when she was given another one.
        values["holding_key"] = ONE_OPEN
        changes["holding_key"] = [None, ONE_OPEN]
    try:
        with transaction.atomic():
            Assignment.objects.filter(pk=held.pk).update(**values)
    except IntegrityError:
        return Extension("already_held", held.ends_at)
    verb.record(held.pk, "extended", by=by, now=now, reason=reason, changes=changes)
    verb.tell(held, "extended", data={"reason": reason, "ends_at": changes["ends_at"]})
    return Extension("extended", ends_at)


def end_of_offer(held: Assignment) -> datetime | None:
    """Return the fixed end of the assignment's offer as published now, where it has one."""
    revision = held.config_offer.current_revision or held.revision
    return rules.fixed_end(revision.terms, zone=held.config_offer.programme.zone)


def _end_of_code(held: Assignment) -> datetime | None:
    code = held.voucher_code
    return code.segment.expires_at if code and code.segment else None
