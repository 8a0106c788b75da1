"""Two runs side by side: whom they reached, what became of it, and whom both reached; counted by SQL."""

from dataclasses import dataclass
from datetime import datetime

from loyalty import patience
from loyalty.database import rows
from offers.models import MassAssignment
from offers.selectors import mass_assignment as runs

# One reading of a run's frozen audience with what it was given. Used is used at a till at least once, or used up.
FIGURES = """
    SELECT count(*) AS matched, count(held.id) AS assigned,
           count(*) FILTER (WHERE held.seen_at IS NOT NULL OR held.exposed_at IS NOT NULL) AS seen,
           count(held.accepted_at) AS accepted,
           count(*) FILTER (
               WHERE held.used_up_at IS NOT NULL
                  OR EXISTS (SELECT FROM offers_redemption AS used
                               WHERE used.assignment_id = held.id AND used.returned_at IS NULL)
           ) AS used,
           count(held.revoked_at) AS revoked,
           count(held.voucher_code_id) AS codes,
           count(*) FILTER (WHERE held.voucher_code_id IS NOT NULL AND held.exposed_at IS NOT NULL) AS codes_seen
      FROM offers_audiencemember AS audience
      LEFT JOIN offers_assignment AS held
        ON held.member_id = audience.member_id
       AND held.config_offer_id = %(config_offer_id)s
       AND held.run_id = audience.run_id
     WHERE audience.run_id = %(run_id)s
"""
OVERLAP = """
    SELECT count(*) AS n
      FROM offers_audiencemember AS one
      JOIN offers_audiencemember AS other ON other.run_id = %(other)s AND other.member_id = one.member_id
     WHERE one.run_id = %(one)s
"""


@dataclass(frozen=True)
class Figures:
    """One run's side; counts of members and of their assignments."""

    run: MassAssignment
    matched: int
    refused: dict[str, int]
    assigned: int
    seen: int
    accepted: int
    used: int
    revoked: int
    codes: int
    codes_seen: int
    per_minute: int | None


@dataclass(frozen=True)
class Comparison:
    """Both sides, and how many members stand in both frozen audiences."""

    one: Figures
    other: Figures
    overlap: int


@patience.patient()
def compare(*, run: MassAssignment, other: MassAssignment, now: datetime) -> Comparison:
    """Compare two runs, in a fixed number of statements whatever their size."""
    overlap = rows(OVERLAP, {"one": run.pk, "other": other.pk})[0]["n"]
    return Comparison(_figures(run, now), _figures(other, now), overlap)


def _figures(run: MassAssignment, now: datetime) -> Figures:
    [found] = rows(FIGURES, {"run_id": run.pk, "config_offer_id": run.config_offer_id})
    progress = runs.progress(run=run, now=now)
    return Figures(run=run, refused=progress.refused, per_minute=progress.per_minute, **found)
