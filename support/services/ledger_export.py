"""The desk's ledger as a file: who asked for it is written down before the first line is read (B-05)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.http import StreamingHttpResponse

from loyalty import money, table_export
from loyalty.models import Programme, User
from loyalty.services import audit
from loyalty.table_export import Column

if TYPE_CHECKING:
    from support.selectors.ledger import Grants

# A member stands here by her id. Her name, how she is reached, and notes, which may hold both, are left out.
COLUMNS = (
    Column("at", "moment"),
    Column("day"),
    Column("agent"),
    Column("member"),
    Column("offer"),
    Column("template"),
    Column("reason"),
    Column("ticket"),
    Column("costs_at_most"),
    Column("currency"),
    Column("taken_back_at", "moment"),
    Column("approved_by"),
    Column("batch"),
    Column("assignment"),
)
PART = 2000


def export(
    *,
    programme: Programme,
    found: "Grants",
    reasons: Mapping[str, str],
    filters: Mapping[str, str],
    file_format: table_export.Format,
    actor: User,
) -> StreamingHttpResponse:
    """Audit the export and answer with it: one line a grant that `found` keeps, a part in memory at a time."""
    audit.record(
        action="ledger.exported",
        actor=actor,
        programme=programme,
        data={"format": file_format, "filters": dict(filters)},
    )
    return table_export.stream(
        name="grants", format=file_format, columns=COLUMNS, lines=_lines(found, reasons, programme.currency)
    )


def _lines(found: "Grants", reasons: Mapping[str, str], currency: str) -> Iterator[list[Any]]:
    for entry in found.iterator(chunk_size=PART):
        yield [
            entry.at,
            entry.day.isoformat(),
            entry.agent.username,
            entry.member.external_id,
            entry.config_offer.offer_reference,
            entry.template.name,
            reasons.get(entry.reason, entry.reason),
            entry.ticket,
            str(money.to_major(entry.exposure_minor, currency)),
            currency,
            entry.taken_back_at,
            entry.approved_by.username if entry.approved_by else "",
            entry.batch,
            str(entry.assignment_id),
        ]
