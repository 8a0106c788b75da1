"""The frozen audience of a run, member by member: what became of each (S4-27, B-03)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty import patience
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

# What became of an assignment after it was made, by the latest thing that ended it, else by what its member did.
SINCE = """
           CASE WHEN held.id IS NULL THEN ''
                WHEN held.revoked_at IS NOT NULL THEN 'revoked'
                WHEN held.used_up_at IS NOT NULL THEN 'used_up'
                WHEN EXISTS (SELECT FROM offers_redemption AS used WHERE used.assignment_id = held.id) THEN 'redeemed'
                WHEN held.closed_at IS NOT NULL THEN 'closed'
                WHEN held.ends_at <= %(now)s THEN 'expired'
                WHEN held.accepted_at IS NOT NULL THEN 'accepted'
                WHEN held.seen_at IS NOT NULL OR held.exposed_at IS NOT NULL THEN 'seen'
                ELSE 'open' END
"""
SINCE_LABELS: dict[str, Any] = {
    "open": _("not seen yet"),
    "seen": _("seen"),
    "accepted": _("accepted"),
    "redeemed": _("used"),
    "used_up": _("used up"),
    "closed": _("closed"),
    "expired": _("expired"),
    "revoked": _("taken back"),
}
SINCE_TONES = {"accepted": "usable", "redeemed": "usable", "used_up": "over", "revoked": "refused", "open": "waiting"}

SELECT = f"""
    SELECT audience.member_id, member.external_id, member.first_name, member.last_name,
           CASE WHEN audience.outcome IS NOT NULL THEN audience.outcome
                WHEN chunk.done_at IS NOT NULL THEN 'assigned'
                WHEN chunk.failed_at IS NOT NULL THEN 'failed'
                ELSE 'waiting' END AS outcome,
           audience.details ->> 'reason' AS reason, audience.details ->> 'value' AS value,
           held.id AS assignment_id, held.issued_at, held.ends_at, held.seen_at, held.accepted_at, held.revoked_at,
           {SINCE} AS since
      FROM offers_audiencemember AS audience
      JOIN loyalty_member AS member ON member.id = audience.member_id AND member.id > %(after)s
      LEFT JOIN LATERAL (
            SELECT done_at, failed_at FROM offers_massassignmentchunk
             WHERE run_id = audience.run_id
               AND audience.ordinal IS NOT NULL
               AND audience.member_id BETWEEN first_member_id AND last_member_id
           ) AS chunk ON TRUE
      LEFT JOIN LATERAL (
            -- OFFSET 0: looked up member by member. Joined freely, a page read the whole table where the planner knew
            -- little of it.
            SELECT * FROM offers_assignment
             WHERE member_id = audience.member_id
               AND config_offer_id = %(config_offer_id)s
               AND run_id = audience.run_id
            OFFSET 0
           ) AS held ON TRUE
     WHERE audience.run_id = %(run_id)s
       AND audience.member_id > %(after)s
       AND {{condition}}
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
    since: str = ""
    issued_at: datetime | None = None
    ends_at: datetime | None = None
    seen_at: datetime | None = None
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def label(self) -> str | Promise:
        return LABELS.get(self.outcome, self.outcome)

    @property
    def reason_label(self) -> str | Promise:
        return _reason_label(self.reason)

    @property
    def tone(self) -> str:
        return TONES.get(self.outcome, "over")

    @property
    def since_label(self) -> str | Promise:
        return SINCE_LABELS.get(self.since, self.since)

    @property
    def since_tone(self) -> str:
        return SINCE_TONES.get(self.since, "over")


@dataclass(frozen=True)
class Page:
    """Some members in the order of their ids; `after` begins the next page, None when this was the last."""

    members: list[Reached]
    after: int | None


@dataclass(frozen=True)
class Wanted:
    """Which members of an audience: by outcome, by what became of the assignment since, by a piece of the member's id.

    With `is_by_name` the piece may be of her name too.
    """

    outcome: str = ""
    since: str = ""
    text: str = ""
    is_by_name: bool = False


EVERYONE = Wanted()


@patience.patient()
def page(*, run: MassAssignment, now: datetime, wanted: Wanted = EVERYONE, after: int = 0, size: int = PAGE) -> Page:
    """Return a page of the audience with outcomes: by keyset, so page 1,000 costs as page 1."""
    found = rows(
        SELECT.format(condition=_condition(wanted)), _parameters(run, now, wanted) | {"after": after, "size": size + 1}
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
            since=row["since"],
            issued_at=row["issued_at"],
            ends_at=row["ends_at"],
            seen_at=row["seen_at"],
            accepted_at=row["accepted_at"],
            revoked_at=row["revoked_at"],
        )
        for row in found[:size]
    ]
    return Page(shown, shown[-1].member_id if len(found) > size else None)


def every(*, run: MassAssignment, now: datetime, wanted: Wanted = EVERYONE, size: int = 5_000) -> Iterator[Reached]:
    """Yield the whole audience, a page in memory at a time; each page is a statement of its own, so nobody who reads
    slowly keeps a transaction open.
    """
    after: int | None = 0
    while after is not None:
        part = page(run=run, now=now, wanted=wanted, after=after, size=size)
        yield from part.members
        after = part.after


@patience.patient()
def count(*, run: MassAssignment, now: datetime, wanted: Wanted) -> int:
    """Return how many members of the audience are wanted; counts a million in a second or two."""
    counting = SELECT.format(condition=_condition(wanted))
    parameters = _parameters(run, now, wanted) | {"after": 0, "size": None}
    [found] = rows(f"SELECT count(*) AS n FROM ({counting}) AS counted", parameters)
    return int(found["n"])


def _parameters(run: MassAssignment, now: datetime, wanted: Wanted) -> dict[str, Any]:
    return {
        "run_id": run.pk,
        "config_offer_id": run.config_offer_id,
        "now": now,
        "outcome": wanted.outcome,
        "since": wanted.since,
        "piece": f"%{_escaped(wanted.text)}%",
    }


def _condition(wanted: Wanted) -> str:
    parts = []
    if wanted.outcome:
        parts.append(STATES.get(wanted.outcome, "audience.outcome = %(outcome)s"))
    if wanted.since:
        parts.append(f"({SINCE}) = %(since)s")
    if wanted.text:
        name = " OR member.first_name || ' ' || member.last_name ILIKE %(piece)s" if wanted.is_by_name else ""
        parts.append(f"(member.external_id ILIKE %(piece)s{name})")
    return " AND ".join(parts) or "TRUE"


def _escaped(text: str) -> str:
    """What was typed, for LIKE: it means itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)
