"""Counting allowances exactly: lock the agent, then the members, write the ledger, look at its sums (B-05).

A grant that would go beyond a limit is written, found to exceed it and undone, all under the lock and in one savepoint:
what it costs is what the statement that assigned it said, and no other tab or process can count in between.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from loyalty.database import execute
from loyalty.models import Programme, User
from support.selectors import allowance as selectors
from support.selectors.allowance import Bounds, Excess, MemberUsage

# Members share so many locks: a pasted list of thousands would else fill the server's table of locks. Two members of
# one lock wait for each other now and then, and no more.
BUCKETS = 512


def lock(*, programme: Programme, agent: User, member_ids: Sequence[int], bounds: Bounds) -> None:
    """Take the agent's lock in the programme, then those of the members in order, to the end of the transaction.

    Only what is limited is locked. Advisory: the sums are of rows that are not there yet.
    """
    if not bounds.are_any:
        return
    _lock([f"desk agent {programme.pk} {agent.pk}"])
    if bounds.of_members:
        buckets = sorted({member_id % BUCKETS for member_id in member_ids})
        _lock([f"desk members {programme.pk} {bucket:04}" for bucket in buckets])


def _lock(names: Sequence[str]) -> None:
    # One statement takes them one after the other, as they are ordered.
    execute(
        "SELECT count(pg_advisory_xact_lock(hashtextextended(name, 0)))"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (name, place)",
        [list(names)],
    )


def exceeded(
    *,
    programme: Programme,
    agent: User,
    member_ids: Sequence[int],
    assignment_ids: Sequence[UUID],
    bounds: Bounds,
    now: datetime,
) -> list[Excess]:
    """Return what the grants that were just written to the ledger go beyond, as one; their locks are held."""
    if not bounds.are_any:
        return []
    member = MemberUsage()
    if bounds.of_members:
        member = selectors.member_usage(
            programme=programme, member_ids=member_ids, days=bounds.of_members.days, now=now
        )
    return selectors.exceeded(
        bounds,
        selectors.usage(programme=programme, agent=agent, now=now),
        member,
        single_minor=selectors.dearest(assignment_ids=assignment_ids),
    )
