"""A run's members as a file: who asked is written down before the first line is read (S4-27, B-03, D-10)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    Column("assignment"),
    Column("since"),
    Column("issued_at", "moment"),
    Column("ends_at", "moment"),
    Column("seen_at", "moment"),
    Column("accepted_at", "moment"),
    Column("revoked_at", "moment"),
)


@dataclass(frozen=True)
class Table:
    """What a file holds: a name without its ending, and lines with a value a column, read while they are asked for."""

    name: str
    lines: Iterator[list[Any]]


def export(
    *,
    run: MassAssignment,
    wanted: Wanted,
    file_format: str,
    now: datetime,
    actor: User | None = None,
    api_client: ApiClient | None = None,
) -> Table:
    """Audit the export and return it: one line a member of the frozen audience, a page in memory at a time."""
    audit.record(
        action="mass_assignment.exported",
        actor=actor,
        api_client=api_client,
        programme=run.programme,
        target=run,
        data={"format": file_format, "outcome": wanted.outcome, "since": wanted.since},
    )
    return Table(f"run-{run.pk}-outcomes", _lines(run, wanted, now))


def _lines(run: MassAssignment, wanted: Wanted, now: datetime) -> Iterator[list[Any]]:
    for each in audience.every(run=run, now=now, wanted=wanted):
        yield [
            each.external_id,
            each.outcome,
            each.reason,
            each.assignment_id,
            each.since,
            each.issued_at,
            each.ends_at,
            each.seen_at,
            each.accepted_at,
            each.revoked_at,
        ]
