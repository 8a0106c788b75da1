"""What staff do with a member's data: each look at it leaves an audit row, never the data itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from loyalty.errors import InvalidInput
from loyalty.models import AuditEvent, Member, Programme, User
from loyalty.services import audit

# As long as somebody may have a page open and still read on.
LATELY = timedelta(hours=1)
REVEALABLE = ("email", "phone")


def record_opening(*, member: Member, actor: User) -> AuditEvent:
    """Note that a person opened a member's page."""
    return audit.record(action="member.opened", actor=actor, programme=member.programme, target=member)


def record_opening_once(*, member: Member, actor: User, now: datetime) -> None:
    """Note a look at a part of a member's page, where this person has not opened the page itself lately.

    A part that its own page asks for leaves nothing; one that is asked for alone is a look like any other.
    """
    lately = AuditEvent.objects.filter(
        object_type=Member._meta.label_lower,
        object_id=str(member.pk),
        user=actor,
        action__in=("member.opened", "member.record_read"),
        at__gt=now - LATELY,
    )
    if not lately.exists():
        record_opening(member=member, actor=actor)


def record_reading(*, member: Member, actor: User) -> AuditEvent:
    """Note that a person read what we know of a member."""
    return audit.record(action="member.record_read", actor=actor, programme=member.programme, target=member)


def record_code(*, member: Member, assignment_id: UUID, actor: User) -> AuditEvent:
    """Note that a person was shown a member's voucher code; the code itself stands nowhere in the audit."""
    data = {"assignment": str(assignment_id)}
    return audit.record(action="member.code_shown", actor=actor, programme=member.programme, target=member, data=data)


def record_export(*, member: Member, actor: User) -> AuditEvent:
    """Note that a person took out everything that we know of a member (B-18)."""
    return audit.record(action="member.record_exported", actor=actor, programme=member.programme, target=member)


def record_search(*, programme: Programme, actor: User, hits: Sequence[str]) -> AuditEvent:
    """Note that a search showed a person members, and what they were found by; never what she typed."""
    data = {"hits": len(hits), "by": sorted(set(hits))}
    return audit.record(action="member.searched", actor=actor, programme=programme, data=data)


def record_listing(*, programme: Programme, actor: User, filters: Mapping[str, str], by_text: bool) -> AuditEvent:
    """Note that a person looked through the list of members, and by what it was filtered; never by which text."""
    data = {"filters": dict(filters), "by_text": by_text}
    return audit.record(action="member.listed", actor=actor, programme=programme, data=data)


def reveal(*, member: Member, field: str, actor: User) -> str:
    """Return a masked value in clear, after noting who asked for it. Raises InvalidInput for any other field."""
    if field not in REVEALABLE:
        raise InvalidInput("Only e-mail and phone can be shown.", field=field)
    audit.record(
        action="member.contact_shown", actor=actor, programme=member.programme, target=member, data={"field": field}
    )
    return str(getattr(member, field))
