"""One timeline per assignment: everything that happened to it, who did it, and what changed (B-18).

A fixed number of queries, however much there is. It never carries a code (D-10): that one came or left is said, not
which.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from loyalty.models import ApiClient, OutboxEvent, User
from offers import rules
from offers.models import Assignment, AssignmentEvent, MassAssignmentChunk, Redemption, Source

# More than anybody does to one assignment; a bound, so that no page is without one.
MOST = 500
# What an event says besides the fields that it changed.
SAID = {"reason", "successor", "predecessor", "run", "redemption"}
# A code that came or left; which one is for `expose` alone.
HIDDEN = "•••"


@dataclass(frozen=True)
class Change:
    """A field with its old and its new value, as JSON has them."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Entry:
    """One thing that happened; `kind` is `issued`, a verb, `redeemed`, or `told` (a row of the outbox)."""

    kind: str
    at: datetime
    source: Source | None = None
    actor: User | None = None
    api_client: ApiClient | None = None
    reason: str = ""
    changes: Sequence[Change] = ()
    link: UUID | None = None
    """The assignment at the other end: the one that it replaces, or the one that replaced it (B-06)."""
    details: Mapping[str, Any] = field(default_factory=dict)


def timeline(*, assignment: Assignment) -> list[Entry]:
    """Return everything that happened to the assignment, oldest first.

    It comes with its `revision`, `template`, `run`, `campaign` and `actor`.
    """
    found = AssignmentEvent.objects.filter(assignment=assignment).select_related("actor", "api_client")
    events = list(found.order_by("id")[:MOST])
    # Who marked a use, and why, its event says; what it was, the redemption.
    marked = {event.data.get("redemption"): event for event in events if event.verb == "redeemed"}
    others = [event for event in events if event.verb != "redeemed"]
    entries = [*_events(assignment, others), *_redemptions(assignment, marked), *_told(assignment)]
    # Sorted is stable: what happened in one moment stays in the order of its kind. Nothing was before the issue,
    # whatever the clocks of doors and database say.
    return [_issued(assignment, events), *sorted(entries, key=lambda entry: entry.at)]


def terms_at_issue(held: Assignment, events: Sequence[AssignmentEvent]) -> dict[str, Any]:
    """Return the rule values that were given when it was issued: what later events changed is turned back."""
    terms = dict(held.terms or {})
    for event in reversed(events):
        for kind in rules.KINDS.keys() & event.data.keys():
            before = _change(kind, event.data[kind]).old
            if before is None:
                terms.pop(kind, None)
            else:
                terms[kind] = before
    return terms


def _issued(held: Assignment, events: Sequence[AssignmentEvent]) -> Entry:
    return Entry(
        "issued",
        held.issued_at,
        source=Source(held.source),
        actor=held.actor,
        link=held.replaces_id,
        details={
            "revision": held.revision.number,
            "template": held.template.name,
            "run": held.run.name if held.run else None,
            "campaign": held.campaign.external_id if held.campaign and not held.campaign.is_of_run else None,
            "reference": held.reference,
            "terms": terms_at_issue(held, events),
        },
    )


def _events(held: Assignment, events: Sequence[AssignmentEvent]) -> Iterator[Entry]:
    # Hers is in the index of what a member holds, whose first column is the member.
    successor = Assignment.objects.filter(member_id=held.member_id, replaces_id=held.pk).values_list("pk", flat=True)
    for event in events:
        yield Entry(
            event.verb,
            event.at,
            source=Source(event.source) if event.source else None,
            actor=event.actor,
            api_client=event.api_client,
            reason=event.data.get("reason", ""),
            changes=[_change(name, values) for name, values in event.data.items() if name not in SAID],
            link=successor.first() if event.verb == "reissued" else None,
            # Taken back with its whole run (B-04).
            details={"run": held.run.name} if event.data.get("run") and held.run else {},
        )


def _change(name: str, values: Any) -> Change:
    old, new = values if isinstance(values, list) and len(values) == 2 else (None, values)
    if name == "voucher_code":
        return Change(name, HIDDEN if old else None, HIDDEN if new else None)
    return Change(name, old, new)


def _redemptions(held: Assignment, marked: Mapping[str | None, AssignmentEvent]) -> Iterator[Entry]:
    used = Redemption.objects.filter(assignment=held).select_related("purchase").order_by("redeemed_at", "id")[:MOST]
    for redemption in used:
        event = marked.get(redemption.external_id)
        yield Entry(
            "redeemed",
            redemption.redeemed_at,
            source=Source(event.source) if event and event.source else None,
            actor=event.actor if event else None,
            api_client=event.api_client if event else None,
            reason=event.data.get("reason", "") if event else "",
            details={
                "redemption": redemption.external_id,
                "benefit_minor": redemption.benefit_minor,
                "points": redemption.points,
                "purchase": redemption.purchase.external_id if redemption.purchase else None,
                "returned_at": redemption.returned_at,
            },
        )


def _told(held: Assignment) -> Iterator[Entry]:
    """Yield what the outbox told of it, alone or with its chunk."""
    rows = Q(assignment_ids__contains=[held.pk])
    if held.run_id:
        numbers = MassAssignmentChunk.objects.filter(
            run_id=held.run_id, first_member_id__lte=held.member_id, last_member_id__gte=held.member_id
        ).values("number")
        rows |= Q(run_id=held.run_id, chunk__in=numbers)
    for event in OutboxEvent.objects.filter(rows).order_by("id")[:MOST]:
        if not _is_addressed(event, held):
            continue
        yield Entry("told", event.created_at, details={"type": event.type, "position": event.position})


def _is_addressed(event: OutboxEvent, held: Assignment) -> bool:
    """Say whether a row that may address by run and chunk means this one: an undo means those that it took back."""
    revoked_at = event.data.get("revoked_at") if event.run_id else None
    if revoked_at is None:
        return True
    return held.revoked_at == datetime.fromisoformat(revoked_at) and held.is_synchronized == event.is_synchronized
