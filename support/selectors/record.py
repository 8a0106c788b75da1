"""What we know of a member, all of it: to read out to her, and as one file (B-18; issue 5)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from loyalty.models import AttributeDefinition, Member
from support.selectors.record_part import PARTS, Part, Row

HER_COLUMNS = (
    "external_id", "first_name", "last_name", "email", "phone", "birth_date", "gender", "language", "timezone",
    "city", "country", "tier", "status", "kind", "joined_at", "created_at", "updated_at",
)  # fmt: skip


def about(*, member: Member) -> dict[str, Any]:
    """Return her own columns that hold anything, and her attributes by label. One query."""
    labels = dict(AttributeDefinition.objects.filter(programme_id=member.programme_id).values_list("name", "label"))
    own = {name: getattr(member, name) for name in HER_COLUMNS if getattr(member, name) not in ("", None)}
    return own | {"attributes": {labels.get(name, name): value for name, value in member.attributes.items()}}


def first_rows(*, member: Member, most: int, sees_codes: bool) -> list[tuple[Part, list[Row], int]]:
    """Return each part with its first rows and how many there are in all; two queries a part.

    Who may not see voucher codes is told only that there is one.
    """
    found = [(part, [part.row(row) for row in part.read(member)[:most]], part.read(member).count()) for part in PARTS]
    if not sees_codes:
        for row in (row for _part, rows, _count in found for row in rows if row.get("code")):
            row["code"] = str(_("has one"))
    return found


def document(*, member: Member, now: datetime) -> Iterator[tuple[str, Mapping[str, Any] | Iterator[Row]]]:
    """Yield the whole record, part by part: `about` as a mapping, every other part as its rows, unread until asked."""
    yield "record", {"programme": member.programme.name, "member": member.external_id, "written_at": now}
    yield "about", about(member=member)
    for part in PARTS:
        yield part.key, part.rows(member)
