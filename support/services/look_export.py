"""Who looked at what as a file: who asked for it is written down as a look of its own, first."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import orjson
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from loyalty import table_export
from loyalty.models import AuditEvent, Programme, User
from loyalty.services import audit
from loyalty.table_export import Column
from support.selectors import look

# A member stands here by her id: her name, and how she is reached, are left out.
COLUMNS = (
    Column("at", "moment"),
    Column("person"),
    Column("action"),
    Column("meaning"),
    Column("member"),
    Column("details"),
)
PART = 2000


def export(
    *,
    programme: Programme,
    found: QuerySet[AuditEvent],
    filters: Mapping[str, str],
    file_format: table_export.Format,
    actor: User,
) -> StreamingHttpResponse:
    """Audit the export and answer with it: one line a look that `found` keeps, a part in memory at a time."""
    event = audit.record(
        action="look.exported", actor=actor, programme=programme, data={"format": file_format, "filters": dict(filters)}
    )
    lines = _lines(programme, found.filter(pk__lt=event.pk))
    return table_export.stream(name="looks", format=file_format, columns=COLUMNS, lines=lines)


def _lines(programme: Programme, found: QuerySet[AuditEvent]) -> Iterator[list[Any]]:
    every = found.iterator(chunk_size=PART)
    while part := list(islice(every, PART)):
        members = look.members_of(programme=programme, events=part)
        for event in part:
            member = members.get(event.pk)
            yield [
                event.at,
                event.user.username if event.user else str(event.api_client or ""),
                event.action,
                str(look.LOOKS[event.action]),
                member.external_id if member else "",
                orjson.dumps(event.data).decode() if event.data else "",
            ]
