"""The frozen audience of a run, member by member: what became of each (S4-27, B-03)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.database import rows
from offers import rules
from offers.models import MassAssignment
from offers.models.outcome import OUTCOME_LABELS, REASON_LABELS
from offers.rules import problem

PAGE = 50
# An outcome is stored for who is refused; who is assigned, waits, or stands in a chunk that was given up is known from
# the chunk that the member lies in.
STATES = {
    "assigned": "audience.outcome IS NULL AND chunk.done_at IS NOT NULL",
    "waiting": "audience.outcome IS NULL AND chunk.done_at IS NULL AND chunk.failed_at IS NULL",
    "failed": "audience.outcome IS NULL AND chunk.done_at IS NULL AND chunk.failed_at IS NOT NULL",
}
LABELS: dict[str, Any] = OUTCOME_LABELS | {"waiting": _("not assigned"), "failed": _("in a failed chunk")}
# After a count: "22 already hold it".
COUNTED: dict[str, Any] = LABELS | {
    "already_held": _("already hold it"),
    "member_inactive": _("not active"),
    "ineligible": _("not eligible"),
    "out_of_codes": _("without a code"),
    "held_out": _("held out to compare with"),
    "missing_rule": _("without a value"),
    "invalid_value": _("with a value that is not valid"),
}
TONES = {"assigned": "usable", "failed": "refused"}

SELECT = """
    SELECT audience.member_id, member.external_id, member.first_name, member.last_name,
           CASE WHEN audience.outcome IS NOT NULL THEN audience.outcome
                WHEN chunk.done_at IS NOT NULL THEN 'assigned'
                WHEN chunk.failed_at IS NOT NULL THEN 'failed'
                ELSE 'waiting' END AS outcome,
           audience.details ->> 'reason' AS reason, audience.details ->> 'value' AS value,
           held.id AS assignment_id
      FROM offers_audiencemember AS audience
      JOIN loyalty_member AS member ON member.id = audience.member_id
      LEFT JOIN LATERAL (
            SELECT done_at, failed_at FROM offers_massassignmentchunk
             WHERE run_id = audience.run_id
               AND audience.ordinal IS NOT NULL
               AND audience.member_id BETWEEN first_member_id AND last_member_id
           ) AS chunk ON TRUE
      LEFT JOIN offers_assignment AS held
        ON held.member_id = audience.member_id
       AND held.config_offer_id = %(config_offer_id)s
       AND held.run_id = audience.run_id
     WHERE audience.run_id = %(run_id)s
       AND audience.member_id > %(after)s
       AND {condition}
     ORDER BY audience.member_id
     LIMIT %(size)s
"""


def _reason_label(reason: str) -> str | Promise:
    """Say a reason; one of a value per member is the field that it is about, such as `benefit.size`."""
    rule, point, field = reason.partition(".")
    if point and rule in rules.KINDS:
        return problem.placed(rule, field, "").rpartition(":")[0]
    return REASON_LABELS.get(reason, reason)


@dataclass(frozen=True)
class Reached:
    """One member of a run's audience, and what became of her."""

    member_id: int
    external_id: str
    name: str
    outcome: str
    assignment_id: UUID | None
    reason: str = ""
    # What her attributes say, where she was refused for it (S1-05).
    value: str = ""

    @property
    def label(self) -> str | Promise:
        return LABELS.get(self.outcome, self.outcome)

    @property
    def reason_label(self) -> str | Promise:
        return _reason_label(self.reason)

    @property
    def tone(self) -> str:
        return TONES.get(self.outcome, "over")


@dataclass(frozen=True)
class Page:
    """Some members in the order of their ids; `after` begins the next page, None when this was the last."""

    members: list[Reached]
    after: int | None


def page(*, run: MassAssignment, outcome: str = "", after: int = 0, size: int = PAGE) -> Page:
    """Return a page of the audience with outcomes, all of them or one: by keyset, so page 1,000 costs as page 1."""
    found = rows(
        SELECT.format(condition=_condition(outcome)),
        {
            "run_id": run.pk,
            "config_offer_id": run.config_offer_id,
            "after": after,
            "outcome": outcome,
            "size": size + 1,
        },
    )
    shown = [
        Reached(
            member_id=row["member_id"],
            external_id=row["external_id"],
            name=f"{row['first_name']} {row['last_name']}".strip(),
            outcome=row["outcome"],
            assignment_id=row["assignment_id"],
            reason=row["reason"] or "",
            value=row["value"] or "",
        )
        for row in found[:size]
    ]
    return Page(shown, shown[-1].member_id if len(found) > size else None)


def every(*, run: MassAssignment, outcome: str = "", size: int = 5_000) -> Iterator[Reached]:
    """Yield the whole audience, a page in memory at a time."""
    after: int | None = 0
    while after is not None:
        part = page(run=run, outcome=outcome, after=after, size=size)
        yield from part.members
        after = part.after


def _condition(outcome: str) -> str:
    if outcome in STATES:
        return STATES[outcome]
    return "audience.outcome = %(outcome)s" if outcome else "TRUE"
