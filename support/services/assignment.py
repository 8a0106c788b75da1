"""What an agent does to one assignment: with a reason, audited (B-02, B-05, B-06)."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from loyalty.database import in_transaction
from loyalty.models import Member, User
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


def undo(*, member: Member, assignment_id: UUID, actor: User, now: datetime) -> Revocation:
    """Take back what this person granted a moment ago; later it is `too_late`. Raises NotFound for anything else."""
    return _audited(
        "undone",
        selectors.get(programme=member.programme, assignment_id=assignment_id),
        actor,
        lambda: revocation.undo(
            programme=member.programme, assignment_id=assignment_id, by=By(Source.SUPPORT, actor), now=now
        ),
    )


def revoke(*, assignment: Assignment, reason: str, actor: User, now: datetime) -> Revocation:
    """Take an assignment back from the desk, with a reason in words."""
    return _audited(
        "revoked",
        assignment,
        actor,
        lambda: revocation.revoke(
            programme=assignment.member.programme,
            assignment_id=assignment.pk,
            reason=reason,
            source=Source.SUPPORT,
            actor=actor,
            now=now,
        ),
    )


def reissue_for(
    *, assignment: Assignment, reason: str, ends_at: datetime | None, actor: User, now: datetime
) -> Reissue:
    """Void it and give its member the same offer anew (B-06)."""
    return _audited(
        "reissued",
        assignment,
        actor,
        lambda: reissue.reissue(
            programme=assignment.member.programme,
            assignment_id=assignment.pk,
            reason=reason,
            by=By(Source.SUPPORT, actor),
            now=now,
            ends_at=ends_at,
        ),
        lambda answer: {"successor": str(answer.assignment_id)},
    )


def extend(*, assignment: Assignment, reason: str, ends_at: datetime, actor: User, now: datetime) -> Extension:
    """Let it end later."""
    return _audited(
        "extended",
        assignment,
        actor,
        lambda: extension.extend(
            programme=assignment.member.programme,
            assignment_id=assignment.pk,
            ends_at=ends_at,
            reason=reason,
            by=By(Source.SUPPORT, actor),
            now=now,
        ),
        lambda answer: {"ends_at": ends_at.isoformat()},
    )


def close(*, assignment: Assignment, reason: str, actor: User, now: datetime) -> Closing:
    """Close it before it is used up."""
    return _audited(
        "closed",
        assignment,
        actor,
        lambda: closing.close(
            programme=assignment.member.programme,
            assignment_id=assignment.pk,
            reason=reason,
            by=By(Source.SUPPORT, actor),
            now=now,
        ),
    )


def redeem(*, assignment: Assignment, use: Use, reason: str, actor: User, now: datetime) -> Redeemed:
    """Mark it as used by hand."""
    return _audited(
        "redeemed",
        assignment,
        actor,
        lambda: redemption.redeem(
            programme=assignment.member.programme,
            assignment_id=assignment.pk,
            use=use,
            by=By(Source.SUPPORT, actor),
            now=now,
            reason=reason,
        ),
        lambda answer: {"redemption": use.external_id},
    )


def undo_redemption(*, assignment: Assignment, external_id: str, actor: User, now: datetime) -> Return:
    """Give back the use that this person marked a moment ago; later it is `too_late`."""
    return _audited(
        "returned",
        assignment,
        actor,
        lambda: redemption.undo(
            programme=assignment.member.programme,
            assignment_id=assignment.pk,
            external_id=external_id,
            by=By(Source.SUPPORT, actor),
            now=now,
        ),
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
    act: Callable[[], Answer],
    data: Callable[[Answer], dict[str, str]] = lambda answer: {},
) -> Answer:
    """Do it and, where it was done, write its audit row: in one transaction, so that neither stands alone."""

    def work() -> Answer:
        answer = act()
        if answer.code == done:
            audit.record(
                action=f"assignment.{done}",
                actor=actor,
                programme=assignment.member.programme,
                target=assignment,
                data=data(answer),
            )
        return answer

    return in_transaction(work)
