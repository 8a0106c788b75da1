"""What an agent does to one assignment: with a reason, audited (B-02, B-05, B-06)."""

from datetime import datetime
from uuid import UUID

from loyalty.models import Member, User
from loyalty.services import audit
from offers.models import Assignment, Source
from offers.services import closing, extension, reissue, revocation
from offers.services.closing import Closing
from offers.services.extension import Extension
from offers.services.reissue import Reissue
from offers.services.revocation import Revocation
from offers.services.verb import By


def undo(*, member: Member, assignment_id: UUID, actor: User, now: datetime) -> Revocation:
    """Take back what this person granted a moment ago; later it is `too_late`. Raises NotFound for anything else."""
    return revocation.undo(
        programme=member.programme, assignment_id=assignment_id, by=By(Source.SUPPORT, actor), now=now
    )


def revoke(*, assignment: Assignment, reason: str, actor: User, now: datetime) -> Revocation:
    """Take an assignment back from the desk, with a reason in words."""
    answer = revocation.revoke(
        programme=assignment.member.programme,
        assignment_id=assignment.pk,
        reason=reason,
        source=Source.SUPPORT,
        actor=actor,
        now=now,
    )
    if answer.code == "revoked":
        _audit("revoked", assignment, actor)
    return answer


def reissue_for(
    *, assignment: Assignment, reason: str, ends_at: datetime | None, actor: User, now: datetime
) -> Reissue:
    """Void it and give its member the same offer anew (B-06)."""
    answer = reissue.reissue(
        programme=assignment.member.programme,
        assignment_id=assignment.pk,
        reason=reason,
        by=By(Source.SUPPORT, actor),
        now=now,
        ends_at=ends_at,
    )
    if answer.code == "reissued":
        _audit("reissued", assignment, actor, {"successor": str(answer.assignment_id)})
    return answer


def extend(*, assignment: Assignment, reason: str, ends_at: datetime, actor: User, now: datetime) -> Extension:
    """Let it end later."""
    answer = extension.extend(
        programme=assignment.member.programme,
        assignment_id=assignment.pk,
        ends_at=ends_at,
        reason=reason,
        by=By(Source.SUPPORT, actor),
        now=now,
    )
    if answer.code == "extended":
        _audit("extended", assignment, actor, {"ends_at": ends_at.isoformat()})
    return answer


def close(*, assignment: Assignment, reason: str, actor: User, now: datetime) -> Closing:
    """Close it before it is used up."""
    answer = closing.close(
        programme=assignment.member.programme,
        assignment_id=assignment.pk,
        reason=reason,
        by=By(Source.SUPPORT, actor),
        now=now,
    )
    if answer.code == "closed":
        _audit("closed", assignment, actor)
    return answer


def _audit(what: str, assignment: Assignment, actor: User, data: dict[str, str] | None = None) -> None:
    audit.record(
        action=f"assignment.{what}",
        actor=actor,
        programme=assignment.member.programme,
        target=assignment,
        data=data or {},
    )
