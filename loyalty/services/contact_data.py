"""Changing by hand who a member is and how she is reached: what was before is kept nowhere (issue 5)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from loyalty.errors import NotFound
from loyalty.models import Member, Programme, User
from loyalty.services import audit
from loyalty.services import member as members

FIELDS = ("first_name", "last_name", "email", "phone", "language", "timezone", "city", "country")


@dataclass(frozen=True)
class Change:
    """What came of it: `changed`, `unchanged`, or why not: `member_erased`, `changed_meanwhile`.

    `member` is as she is now; `fields` are those that changed.
    """

    code: str
    member: Member
    fields: Sequence[str] = ()


def version(member: Member) -> str:
    """Return what tells two states of her contact data apart, and nothing of what they are.

    Not her `updated_at`: a nightly import of attributes changes that, and nothing that an editor could overwrite.
    """
    values = json.dumps([getattr(member, name) for name in FIELDS])
    return salted_hmac("loyalty.contact_data", values).hexdigest()[:32]


def change(
    *,
    programme: Programme,
    member_id: int,
    values: Mapping[str, Any],
    seen: str,
    actor: User,
    now: datetime,
) -> Change:
    """Change the given fields of a member, as the API and imports would check them; her keys follow.

    `seen` is the `version` that the editor saw: where somebody changed her since, nothing is done. The audit names the
    fields and never their values. Raises InvalidMembers with every problem, NotFound also for another programme's.

    Lock order: the member's row.
    """
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ValueError(f"Not contact data: {', '.join(sorted(unknown))}")
    with transaction.atomic():
        member = Member.objects.select_for_update().filter(programme=programme, pk=member_id).first()
        if member is None:
            raise NotFound(_("There is no such member here."))
        if member.status == Member.Status.ERASED:
            return Change("member_erased", member)
        if not constant_time_compare(seen, version(member)):
            return Change("changed_meanwhile", member)
        cleaned = members.cleaned(programme=programme, external_id=member.external_id, values=values)
        changed = [name for name, value in cleaned.items() if getattr(member, name) != value]
        if not changed:
            return Change("unchanged", member)
        for name in changed:
            setattr(member, name, cleaned[name])
        members.set_keys(member, programme=programme)
        member.updated_at = now
        member.save(update_fields=[*changed, "email_key", "phone_key", "updated_at"])
        audit.record(
            action="member.contact_changed",
            actor=actor,
            programme=programme,
            target=member,
            data={"fields": sorted(changed)},
        )
        return Change("changed", member, changed)
