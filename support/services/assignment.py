"""What an agent does to one assignment: with a reason, audited (B-02, B-05, B-06)."""

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict, TypeVar
from uuid import UUID

from loyalty.database import in_transaction
from loyalty.models import Member, Programme, User
from loyalty.services import audit
from offers.models import Assignment, Source
from offers.services import closing, extension, redemption, reissue, revocation
from offers.services.closing import Closing
from offers.services.extension import Extension
from offers.services.redemption import Redeemed, Return, Use
from offers.services.reissue import Reissue
from offers.services.revocation import Revocation
from offers.services.verb import By
from support.selectors import assignment as selectors

Answer = TypeVar("Answer", Revocation, Reissue, Extension, Closing, Redeemed, Return)


class About(TypedDict):
    """What every verb of one assignment takes."""

    programme: Programme
    assignment_id: UUID
    by: By
    now: datetime


def undo(*, member: Member, assignment_id: UUID, actor: User, now: datetime) -> Revocation:
    """Take back what this person granted a moment ago; later it is `too_late`. Raises NotFound for anything else."""
    held = selectors.get(programme=member.programme, assignment_id=assignment_id)
    return _audited("undone", held, actor, now, lambda about: revocation.undo(**about))


def revoke(*, assignment: Assignment, reason: str, actor: User, now: datetime) -> Revocation:
    """Take an assignment back from the desk, with a reason in words."""
    return _audited("revoked", assignment, actor, now, lambda about: revocation.revoke(**about, reason=reason))


def reissue_for(
    *, assignment: Assignment, reason: str, ends_at: datetime | None, actor: User, now: datetime
) -> Reissue:
    """Void it and give its member the same offer anew (B-06)."""
    return _audited(
        "reissued",
        assignment,
        actor,
        now,
        lambda about: reissue.reissue(**about, reason=reason, ends_at=ends_at),
        lambda answer: {"successor": str(answer.assignment_id)},
    )


def extend(*, assignment: Assignment, reason: str, ends_at: datetime, actor: User, now: datetime) -> Extension:
    """Let it end later."""
    return _audited(
        "extended",
        assignment,
        actor,
        now,
        lambda about: extension.extend(**about, reason=reason, ends_at=ends_at),
        lambda answer: {"ends_at": ends_at.isoformat()},
    )


def close(*, assignment: Assignment, reason: str, actor: User, now: datetime) -> Closing:
    """Close it before it is used up."""
    return _audited("closed", assignment, actor, now, lambda about: closing.close(**about, reason=reason))


def redeem(*, assignment: Assignment, use: Use, reason: str, actor: User, now: datetime) -> Redeemed:
    """Mark it as used by hand."""
    return _audited(
        "redeemed",
        assignment,
        actor,
        now,
        lambda about: redemption.redeem(**about, use=use, reason=reason),
        lambda answer: {"redemption": use.external_id},
    )


def undo_redemption(*, assignment: Assignment, external_id: str, actor: User, now: datetime) -> Return:
    """Give back the use that this person marked a moment ago; later it is `too_late`."""
    return _audited(
        "returned",
        assignment,
        actor,
        now,
        lambda about: redemption.undo(**about, external_id=external_id),
        lambda answer: {"redemption": external_id},
    )


def record_opening(*, assignment: Assignment, actor: User) -> None:
    """Note that a person opened an assignment's page, which is a look at its member."""
    audit.record(
        action="assignment.opened",
        actor=actor,
        programme=assignment.member.programme,
        target=assignment,
        data={"member": assignment.member.external_id},
    )


def _audited(
    done: str,
    assignment: Assignment,
    actor: User,
    now: datetime,
    act: Callable[[About], Answer],
    data: Callable[[Answer], dict[str, str]] = lambda answer: {},
) -> Answer:
    """Do it and, where it was done, write its audit row: in one transaction, so that neither stands alone."""
    programme = assignment.member.programme

    def work() -> Answer:
        answer = act(
            {"programme": programme, "assignment_id": assignment.pk, "by": By(Source.SUPPORT, actor), "now": now}
        )
        if answer.code == done:
            audit.record(
                action=f"assignment.{done}", actor=actor, programme=programme, target=assignment, data=data(answer)
            )
        return answer

    return in_transaction(work)
