"""A set of grants as a file: what became of each line; who asked for it is written down first."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from loyalty import table_export
from loyalty.models import User
from loyalty.services import audit
from loyalty.table_export import Column
from support.models import GrantBatch, GrantBatchLine
from support.models.grant_batch import LINE_LABELS, UNDONE_LABELS

COLUMNS = (
    Column("line", "number"),
    Column("named"),
    Column("member"),
    Column("outcome"),
    Column("meaning"),
    Column("assignment"),
    Column("undone"),
)


def export(
    *, batch: GrantBatch, found: QuerySet[GrantBatchLine], file_format: table_export.Format, actor: User
) -> StreamingHttpResponse:
    """Audit the export and answer with it: a line for each one named. Contact data that named her is masked."""
    audit.record(
        action="grant_batch.exported",
        actor=actor,
        programme=batch.programme,
        target=batch,
        data={"format": file_format},
    )
    return table_export.stream(name="made-good", format=file_format, columns=COLUMNS, lines=_lines(found))


def _lines(found: QuerySet[GrantBatchLine]) -> Iterator[list[Any]]:
    for one in found.iterator(chunk_size=2000):
        yield [
            one.line,
            one.named,
            one.member.external_id if one.member else "",
            one.outcome,
            str(LINE_LABELS.get(one.outcome, one.outcome)),
            str(one.assignment_id or ""),
            str(UNDONE_LABELS.get(one.undone, one.undone)),
        ]
