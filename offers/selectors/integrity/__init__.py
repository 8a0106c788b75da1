"""Is the data whole? Every invariant of the engine as a SELECT of what breaks it (issue 3; docs/operations.md).

Set-based and read from one snapshot, so that it may run while everything else does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from loyalty.database import execute, rows
from loyalty.models import Programme
from offers.selectors.integrity import (
    assignment,
    grant_ledger,
    limit,
    mass_assignment,
    mass_assignment_undo,
    outbox,
    personal_offer,
    promotion,
    relation,
    voucher,
)
from offers.selectors.integrity.check import Check

SAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """How many rows break an invariant, and the ids of a few of them."""

    check: Check
    violations: int
    samples: Sequence[str]


def checks() -> list[Check]:
    """Return every check, in the order in which to read their findings: causes before consequences."""
    return [
        *relation.checks(),
        *assignment.CHECKS,
        *voucher.CHECKS,
        *mass_assignment.CHECKS,
        *mass_assignment_undo.CHECKS,
        *limit.CHECKS,
        *grant_ledger.CHECKS,
        *personal_offer.CHECKS,
        *promotion.CHECKS,
        *outbox.CHECKS,
    ]


def examine(*, programme: Programme | None = None) -> list[Finding]:
    """Run every check, on one programme or all, and return a finding for each, whole or not.

    One statement a check, whatever the number of rows, all on one snapshot: a change that is half done elsewhere is
    not seen. Inside an open transaction it reads with that one's eyes.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # A million keys are compared in memory instead of on disk.
        execute("SELECT set_config('work_mem', '256MB', true)")
        return [_look(check, programme) for check in checks()]


def _look(check: Check, programme: Programme | None) -> Finding:
    [found] = rows(
        f"""
        WITH broken AS MATERIALIZED ({check.sql})
        SELECT (SELECT count(*) FROM broken) AS violations,
               ARRAY(SELECT id::text FROM broken ORDER BY id LIMIT {SAMPLES}) AS samples
        """,
        {"programme_id": programme.pk if programme else None},
    )
    return Finding(check, found["violations"], found["samples"])
