"""What staff do with a member's data: each look at it leaves an audit row, never the data itself."""

from loyalty.errors import InvalidInput
from loyalty.models import AuditEvent, Member, User
from loyalty.services import audit

REVEALABLE = ("email", "phone")


def record_opening(*, member: Member, actor: User) -> AuditEvent:
    """Note that a person opened a member's page."""
    return audit.record(action="member.opened", actor=actor, programme=member.programme, target=member)


def record_reading(*, member: Member, actor: User) -> AuditEvent:
    """Note that a person read what we know of a member."""
    return audit.record(action="member.record_read", actor=actor, programme=member.programme, target=member)


def record_export(*, member: Member, actor: User) -> AuditEvent:
    """Note that a person took out everything that we know of a member (B-18)."""
    return audit.record(action="member.record_exported", actor=actor, programme=member.programme, target=member)


def reveal(*, member: Member, field: str, actor: User) -> str:
    """Return a masked value in clear, after noting who asked for it. Raises InvalidInput for any other field."""
    if field not in REVEALABLE:
        raise InvalidInput("Only e-mail and phone can be shown.", field=field)
    audit.record(
        action="member.contact_shown", actor=actor, programme=member.programme, target=member, data={"field": field}
    )
    return str(getattr(member, field))
