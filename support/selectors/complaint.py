"""What was granted already for the same complaint, by anyone: the same ticket, or the same offer or reason (B-05)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from loyalty.models import Member, User
from offers.models import GrantLedgerEntry
from offers.models.grant_ledger import ticket_key
from support.models import GrantRequest
from support.selectors import allowance, ledger

# What was granted longer ago for the same reason is hardly the same complaint; a ticket stays the same for good.
SAME_WITHIN_DAYS = 30
# More than anybody reads while a member waits on the phone.
MOST = 5


@dataclass(frozen=True)
class Before:
    """One grant that stands, or one that waits, and what it has in common with the one that is filled in."""

    at: datetime
    agent: User
    member: Member
    offer: str
    exposure_minor: int
    is_same_ticket: bool
    assignment_id: UUID | None
    """None while it waits for a second person."""


def before(
    *,
    member: Member,
    ticket: str,
    offer_id: int,
    reason: str,
    now: datetime,
    apart_from: GrantRequest | None = None,
) -> list[Before]:
    """Return what stands or waits for the same complaint, newest first; three queries.

    The same ticket counts for whomever of the programme it was; the same offer or reason for this member, within
    `SAME_WITHIN_DAYS`.
    """
    key = ticket_key(ticket)
    day = allowance.since(member.programme, SAME_WITHIN_DAYS, now)
    alike = Q(member=member, day__gte=day) & (Q(config_offer=offer_id) | Q(reason=reason, reason__gt=""))
    granted = [
        Before(
            row.at,
            row.agent,
            row.member,
            row.config_offer.name,
            row.exposure_minor,
            bool(key) and row.ticket_key == key,
            row.assignment_id,
        )
        for row in _standing(alike | Q(ticket_key=key, ticket_key__gt="")).filter(programme=member.programme)[:MOST]
    ]
    waits = Q(member=member) & (Q(template__config_offer=offer_id) | Q(reason=reason, reason__gt=""))
    open_ones = GrantRequest.objects.filter(programme=member.programme, state=GrantRequest.State.WAITING)
    # What waits is as much as people decide about in a week: its tickets are read as they are spelled.
    tickets = open_ones.exclude(ticket="").values_list("pk", "ticket") if key else ()
    asked = open_ones.filter(waits | Q(pk__in=[pk for pk, spelled in tickets if ticket_key(spelled) == key]))
    if apart_from is not None:
        asked = asked.exclude(pk=apart_from.pk)
    waiting = [
        Before(
            row.asked_at,
            row.asked_by,
            row.member,
            row.template.config_offer.name,
            row.exposure_minor,
            bool(key) and ticket_key(row.ticket) == key,
            None,
        )
        for row in asked.select_related("asked_by", "member", "template__config_offer").order_by("-id")[:MOST]
    ]
    return sorted([*granted, *waiting], key=lambda each: each.at, reverse=True)[:MOST]


def _standing(alike: Q) -> QuerySet[GrantLedgerEntry]:
    """Return grants that were not taken back."""
    return (
        GrantLedgerEntry.objects.filter(alike, ~ledger.IS_BACK, n=1)
        .select_related("agent", "member", "config_offer")
        .order_by("-id")
    )
