"""What an explanation comes to: pure, from facts to one verdict (B-02). The first thing that settles it is the answer.

Before anything is decided the facts are veiled for whoever may not see runs: a member who was held out looks like one
who was not meant, so nobody who must not know can tell them apart (D-19).
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loyalty.models import Member
from offers import rules
from offers.models import Audience, ConfigOffer, DoorEntry, PersonalOfferRow
from offers.selectors.explanation import LIVE, Facts, Held, Run, Waiting
from offers.selectors.explanation_subject import Subject
from offers.services import reason
from offers.services.door import Preview
from offers.services.reason import Reason


@dataclass(frozen=True)
class Attempt:
    """Somebody tried to give it to her, and she did not get it."""

    code: str
    at: datetime
    reasons: Sequence[Reason] = ()
    run: Run | None = None
    row: PersonalOfferRow | None = None
    entry: DoorEntry | None = None


@dataclass(frozen=True)
class Decided:
    """The verdict's key in `VERDICTS`, and what it is about."""

    key: str
    held: Held | None = None
    run: Run | None = None
    attempt: Attempt | None = None
    waiting: Waiting | None = None
    at: datetime | None = None
    until: datetime | None = None
    name: str = ""
    uses: int = 0
    limit: int = 0

    @property
    def code(self) -> str:
        return self.key.partition(":")[0]


def veiled(facts: Facts) -> Facts:
    """Return the facts as somebody may know them who may not see runs: without a trace of who is held out."""
    runs = [
        dataclasses.replace(run, is_matched=False, outcome=None, reason=None) if run.outcome == "held_out" else run
        for run in facts.runs
        # What a run with a hold-out is going to do to her cannot be told without telling whether she is held out.
        if run.where != "planned" or not run.hold_out_percent
    ]
    schedules = [one for one in facts.schedules if not one.hold_out_percent]
    shown = {run.version_id for run in runs if run.where == "planned"}
    shown |= {one.targeting_version_id for one in schedules}
    if facts.offer.eligibility is not None:
        shown.add(facts.offer.eligibility.pk)
    audiences = {key: one for key, one in facts.audiences.items() if key in shown}
    return dataclasses.replace(facts, runs=runs, schedules=schedules, audiences=audiences)


def decide(*, facts: Facts, subject: Subject, preview: Preview | None, bearer_may: bool, now: datetime) -> Decided:
    """Return what the facts come to. `bearer_may`: a code of somebody else's works for whoever brings it now."""
    asked = subject.assignment
    if subject.problem:
        return Decided(subject.problem)
    if asked is not None and asked.member_id != facts.member.pk:
        if not subject.by_code:
            return Decided("offer_of_another")
        return Decided("bearer_code_of_another" if bearer_may else "code_of_another")
    if not facts.offer.programme.offers_enabled:
        return Decided("offers_module_off")
    if facts.member.status != Member.Status.ACTIVE:
        return Decided("member_inactive")
    if facts.offer.audience == Audience.EVERYONE:
        return _for_everyone(facts, now)
    held = _chosen(facts, subject, now)
    if subject.assignment is None and not (held and held.is_live) and _is_open(facts, preview):
        for one in facts.still_open(now):
            return Decided("waiting_for_approval", waiting=one, at=one.asked_at)
    return _of_holding(held, now) if held else _never_held(facts, preview, now)


def code_problem(held: Held, now: datetime) -> str:
    """Return why no till takes the code of a live holding: `code_void`, `code_expired`, or nothing."""
    code = held.assignment.voucher_code
    if code is None:
        return ""
    if code.voided_at:
        return "code_void"
    is_expired = code.segment and code.segment.expires_at and code.segment.expires_at <= now
    return "code_expired" if is_expired else ""


def eligibility_of(facts: Facts) -> bool | None:
    """Say whether she meets what the offer asks for; None where nobody can tell."""
    if facts.offer.eligibility is None:
        return True
    found = facts.audiences.get(facts.offer.eligibility.pk)
    return found.is_meant if found else None


def attempts(facts: Facts) -> Iterator[Attempt]:
    """Yield what was tried in vain: by doors, runs and imports."""
    known: dict[int, reason.Conditions] = {}
    for entry in facts.refusals:
        reasons = [reason.read(stored, known) for stored in entry.answer.get("reasons", [])]
        yield Attempt(str(entry.answer.get("outcome", "")), entry.created_at, reasons, entry=entry)
    for run in facts.runs:
        if run.where == "out":
            yield Attempt("not_targeted", run.at, run=run)
        elif run.outcome:
            yield Attempt(run.outcome, run.at, run=run)
    for row in facts.imports:
        outcome = next((one["outcome"] for one in row.reasons or () if "outcome" in one), "import_refused")
        at = row.upload.finished_at or row.upload.committed_at or row.upload.created_at
        yield Attempt(outcome if outcome in OF_DOORS else "import_refused", at, row=row)


# Outcomes that are verdicts as well; anything else is said by the import.
OF_DOORS = {
    "already_held",
    "ineligible",
    "member_inactive",
    "offer_closed",
    "missing_rule",
    "invalid_value",
    "cap_reached",
    "budget_reached",
    "out_of_codes",
}


def _for_everyone(facts: Facts, now: datetime) -> Decided:
    offer, revision = facts.offer, facts.offer.current_revision
    if offer.state == ConfigOffer.State.ARCHIVED:
        return Decided("offer_archived")
    if revision is None or not offer.is_published:
        return Decided("offer_draft")
    if revision.ends_at and revision.ends_at <= now:
        return Decided("offer_over", until=revision.ends_at)
    limit = revision.terms.get("redemption_limit", {}).get("limit")
    used = facts.everyone_uses
    if limit is not None and len(used) >= int(limit):
        return Decided("used_up", at=used[-1].redeemed_at, uses=len(used), limit=int(limit))
    if revision.starts_at and revision.starts_at > now:
        return Decided("upcoming", at=revision.starts_at)
    if revision.ends_at:
        return Decided("usable", until=revision.ends_at)
    return Decided("usable:endless")


def _chosen(facts: Facts, subject: Subject, now: datetime) -> Held | None:
    """Return the assignment that was asked about, else the best that she has, else the last that she had."""
    if subject.assignment is not None:
        return next((one for one in facts.held if one.assignment.pk == subject.assignment.pk), None)
    live = [one for one in facts.held if one.is_live]
    if live:
        return min(live, key=lambda one: (bool(code_problem(one, now)), LIVE.index(one.status)))
    return facts.held[0] if facts.held else None


def _of_holding(held: Held, now: datetime) -> Decided:
    one = held.assignment
    code = one.voucher_code
    counted: dict[str, Any] = {"held": held, "uses": len(held.uses), "limit": held.limit}
    if held.is_live and code and (problem := code_problem(held, now)):
        expired = code.segment.expires_at if code.segment else None
        return Decided(problem, at=code.voided_at or expired, **counted)
    if held.status == "used_up":
        last = held.uses[-1].redeemed_at if held.uses else None
        return Decided("used_up" if last else "used_up:unknown", at=last or one.used_up_at, **counted)
    if held.status == "expired":
        return Decided("expired:used" if held.uses else "expired", until=one.ends_at, **counted)
    if not held.is_live:
        at = held.ending.at if held.ending else one.revoked_at or one.closed_at
        return Decided(held.ended_by, at=at, **counted)
    if held.status == "upcoming":
        return Decided("upcoming", at=one.starts_at, until=one.ends_at, **counted)
    if held.status == "waiting_for_till":
        return Decided("waiting_for_till", at=one.issued_at, **counted)
    return Decided(held.status if one.ends_at else f"{held.status}:endless", until=one.ends_at, **counted)


def _is_open(facts: Facts, preview: Preview | None) -> bool:
    """Say whether what waits could be approved: else it is the offer or the member that explains."""
    revision = facts.offer.current_revision
    if revision is None or not facts.offer.is_published or eligibility_of(facts) is False:
        return False
    # What she may have once, and had: it does not become free by waiting.
    return preview is None or preview.code != "already_held"


def _never_held(facts: Facts, preview: Preview | None, now: datetime) -> Decided:
    if run := next((run for run in facts.runs if run.where == "waiting"), None):
        return Decided("being_given", run=run, name=run.name)
    if facts.offer.state == ConfigOffer.State.ARCHIVED:
        return Decided("offer_archived")
    if facts.offer.current_revision is None or not facts.offer.is_published:
        return Decided("offer_draft")
    end = rules.fixed_end(facts.offer.current_revision.terms, zone=facts.offer.programme.zone)
    if end is not None and end <= now:
        return Decided("offer_over", until=end)
    if eligibility_of(facts) is False:
        reasons = preview.reasons if preview and preview.code == "ineligible" else ()
        return Decided("ineligible", attempt=Attempt("ineligible", now, reasons))
    if run := next((run for run in facts.runs if run.where == "stopped" and run.state in STANDING), None):
        return Decided("run_stopped", run=run, name=run.name)
    if planned := _planned(facts):
        return planned
    latest = max(attempts(facts), key=lambda one: one.at, default=None)
    if latest is None:
        return Decided("never_given")
    # What stood against it then does not now.
    is_then = latest.code in {"member_inactive", "ineligible"}
    return Decided(f"{latest.code}:then" if is_then else latest.code, run=latest.run, attempt=latest, at=latest.at)


# A run that may still come to her, once somebody sees to it.
STANDING = {"paused", "failed", "running", "finished_with_errors"}


def _planned(facts: Facts) -> Decided | None:
    """Return the first run or schedule that is to give it to her, where that can be promised."""
    found: list[tuple[datetime, str, Any]] = []
    for run in facts.runs:
        if run.where == "planned" and run.launch_at and not run.hold_out_percent and _is_meant(facts, run.version_id):
            found.append((run.launch_at, run.name, run))
    for one in facts.schedules:
        is_promised = not one.paused_at and not one.hold_out_percent and _is_meant(facts, one.targeting_version_id)
        if one.next_at and is_promised:
            found.append((one.next_at, one.name, None))
    if not found:
        return None
    at, name, run = min(found, key=lambda one: one[:2])
    return Decided("planned", run=run, at=at, name=name)


def _is_meant(facts: Facts, version_id: int | None) -> bool:
    found = facts.audiences.get(version_id or 0)
    return bool(found and found.is_meant)
