"""The frozen audience of a run, member by member: what became of each (S4-27, B-03)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty import patience
from loyalty.database import rows
from offers import rules
from offers.models import MassAssignment
from offers.models.outcome import OUTCOME_LABELS, REASON_LABELS
from offers.rules import problem
from offers.selectors import audience_statement as statement
from offers.selectors import member_value

PAGE = 50
# Members of an audience in a part of a file: some 4 MB of CSV in memory, and a few chunks of its run.
PART = 25_000
# Not stored with the member: known from the chunks that she lies in.
DERIVED = {"assigned", "waiting", "failed", "taken_back", "kept", "over_before"}
LABELS: dict[str, Any] = OUTCOME_LABELS | {
    "waiting": _("not assigned"),
    "failed": _("in a failed chunk"),
    "taken_back": _("taken back by the undo"),
    "kept": _("used, so it stayed"),
    "over_before": _("over before the undo"),
}
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
TONES = {"assigned": "usable", "failed": "refused", "kept": "needs"}
NOBODY_AFTER = 2**63 - 1

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
    # What stands in her attribute or her line of the list, where she was refused for it (S1-05).
    value: str = ""
    # Where values differ per member, what she got: as a file has it, and, on a page, by field and in words.
    written: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[rules.Line] = ()
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
    return _page(run, now, wanted, after, size, has_own=True)


def _page(run: MassAssignment, now: datetime, wanted: Wanted, after: int, size: int, *, has_own: bool) -> Page:
    fields = member_value.fields(run=run)
    found = rows(
        statement.select(condition=_condition(wanted), fields=fields, has_own=has_own),
        _parameters(run, now, wanted) | {"after": after, "until": NOBODY_AFTER, "size": size + 1},
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
            written=row["written"] or "",
            **_own(run, fields, row["own"]),
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
        part = _part(run, now, wanted, after, size)
        yield from part.members
        after = part.after


@patience.patient()
def _part(run: MassAssignment, now: datetime, wanted: Wanted, after: int, size: int) -> Page:
    return _page(run, now, wanted, after, size, has_own=False)


def _own(run: MassAssignment, fields: statement.Fields, stored: str | None) -> dict[str, Any]:
    """Return her own values by field and in words; `stored` is the JSON of the rules that differ per member."""
    if not stored:
        return {}
    own = {rule: terms for rule, terms in orjson.loads(stored).items() if terms}
    values = {f"{rule}.{name}": own[rule][name] for rule, name in fields if name in own.get(rule, {})}
    return {
        "values": values,
        "lines": rules.explain(own, currency=run.programme.currency, zone=run.programme.zone),
    }


def parts(
    *, run: MassAssignment, now: datetime, wanted: Wanted = EVERYONE, is_safe: bool, size: int = PART
) -> Iterator[bytes]:
    """Yield the wanted lines as CSV without a head, written by the database: `size` members of the audience at a time.

    Each part is a statement of its own, so nobody who reads slowly keeps a transaction open. `is_safe` for files that
    spreadsheets open: no cell runs as a formula.
    """
    fields = member_value.fields(run=run)
    copying = statement.copy(condition=_condition(wanted), fields=fields, is_safe=is_safe)
    parameters = _parameters(run, now, wanted) | {"after": 0, "size": size}
    while (until := rows(statement.LAST_OF_PART, parameters)[0]["until"]) is not None:
        if part := _copied(copying, parameters | {"until": until}):
            yield part
        parameters["after"] = until


@patience.patient()
def _copied(copying: str, parameters: dict[str, Any]) -> bytes:
    with connection.cursor() as cursor, cursor.copy(copying, parameters) as lines:
        return b"".join(lines)


@patience.patient()
def count(*, run: MassAssignment, now: datetime, wanted: Wanted) -> int:
    """Return how many members of the audience are wanted; counts a million in a second or two."""
    counting = statement.select(condition=_condition(wanted))
    parameters = _parameters(run, now, wanted) | {"after": 0, "until": NOBODY_AFTER, "size": None}
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
        derived = f"audience.outcome IS NULL AND ({statement.OUTCOME}) = %(outcome)s"
        parts.append(derived if wanted.outcome in DERIVED else "audience.outcome = %(outcome)s")
    if wanted.since:
        parts.append(f"({statement.SINCE}) = %(since)s")
    if wanted.text:
        name = " OR member.first_name || ' ' || member.last_name ILIKE %(piece)s" if wanted.is_by_name else ""
        parts.append(f"(member.external_id ILIKE %(piece)s{name})")
    return " AND ".join(parts) or "TRUE"


def _escaped(text: str) -> str:
    """What was typed, for LIKE: it means itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)
