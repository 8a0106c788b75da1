"""A run's members as a file: who asked is written down before the first line is read (S4-27, B-03, D-10)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse

from loyalty import table_export
from loyalty.models import ApiClient, User
from loyalty.services import audit
from loyalty.table_export import Column
from offers.models import MassAssignment
from offers.selectors import audience
from offers.selectors.audience import Wanted

# A code stands in no file: carrying it would count as showing it to everybody (D-10). A name is personal: her id does.
COLUMNS = (
    Column("member"),
    Column("outcome"),
    Column("reason"),
    # What stands in her attribute or her line of the list, where she was refused for it; and what she got of the terms
    # that differ per member, as they are stored (`benefit.size=13; validity.days=7`). (S1-05)
    Column("value"),
    Column("values"),
    Column("assignment"),
    Column("since"),
    Column("issued_at", "moment"),
    Column("ends_at", "moment"),
    Column("seen_at", "moment"),
    Column("accepted_at", "moment"),
    Column("revoked_at", "moment"),
)


def export(
    *,
    run: MassAssignment,
    wanted: Wanted,
    file_format: table_export.Format,
    now: datetime,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> StreamingHttpResponse:
    """Audit the export and answer with it: one line a member of the frozen audience, a part in memory at a time.

    The database writes CSV, and what Parquet is made of: a million lines in Python took minutes. A sheet is written
    cell by cell.
    """
    audit.record(
        action="mass_assignment.exported",
        actor=actor,
        api_client=api_client,
        programme=run.programme,
        target=run,
        data={"format": file_format, "outcome": wanted.outcome, "since": wanted.since},
    )
    name = f"run-{run.pk}-outcomes"
    if file_format == "xlsx":
        lines = _lines(run, wanted, now)
        return table_export.stream(name=name, format=file_format, columns=COLUMNS, lines=lines)
    parts = audience.parts(run=run, now=now, wanted=wanted, is_safe=file_format == "csv")
    return table_export.stream_written(name=name, format=file_format, columns=COLUMNS, parts=parts)


def _lines(run: MassAssignment, wanted: Wanted, now: datetime) -> Iterator[list[Any]]:
    for each in audience.every(run=run, now=now, wanted=wanted):
        yield [
            each.external_id,
            each.outcome,
            each.reason,
            each.value,
            each.written,
            each.assignment_id,
            each.since,
            each.issued_at,
            each.ends_at,
            each.seen_at,
            each.accepted_at,
            each.revoked_at,
        ]
