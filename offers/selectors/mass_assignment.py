"""What a mass assignment has done, counted from committed rows only."""

from dataclasses import dataclass
from datetime import datetime

from loyalty.database import rows
from offers.models import MassAssignment


@dataclass(frozen=True)
class Progress:
    """How far a run is. `per_minute` and `seconds_left` are None while there is too little to tell."""

    total: int
    done: int
    assigned: int
    refused: dict[str, int]
    failed_chunks: int
    retried_chunks: int
    per_minute: int | None
    seconds_left: int | None

    @property
    def percent(self) -> int:
        """Whole percents, rounded down: 100 only when all is done."""
        return 100 if self.total == self.done else self.done * 100 // self.total


def progress(*, run: MassAssignment, now: datetime) -> Progress:
    """Return the progress of a planned run, in two queries whatever its size."""
    counted = rows(
        """
        SELECT coalesce(sum(size) FILTER (WHERE done_at IS NOT NULL), 0)::bigint AS done,
               coalesce(sum(assigned), 0)::bigint AS assigned,
               count(*) FILTER (WHERE failed_at IS NOT NULL) AS failed,
               count(*) FILTER (WHERE attempts > 1) AS retried,
               max(done_at) AS last_done_at
          FROM offers_massassignmentchunk WHERE run_id = %s
        """,
        [run.pk],
    )[0]
    refused = dict(run.excluded or {})
    for row in rows(
        """
        SELECT key, sum(value::bigint)::bigint AS n
          FROM offers_massassignmentchunk, jsonb_each_text(refused)
         WHERE run_id = %s GROUP BY key
        """,
        [run.pk],
    ):
        refused[row["key"]] = refused.get(row["key"], 0) + row["n"]
    total, done = run.eligible or 0, counted["done"]
    per_minute = seconds_left = None
    if run.planned_at and done:
        # A finished run's rate is its own; a running one's is taken up to now, so that a stall shows.
        until = counted["last_done_at"] if run.is_over else now
        seconds = max((until - run.planned_at).total_seconds(), 0.001)
        per_minute = int(done / seconds * 60)
        seconds_left = None if run.is_over or not per_minute else int((total - done) * seconds / done)
    return Progress(
        total=total,
        done=done,
        assigned=counted["assigned"],
        refused=refused,
        failed_chunks=counted["failed"],
        retried_chunks=counted["retried"],
        per_minute=per_minute,
        seconds_left=seconds_left,
    )
