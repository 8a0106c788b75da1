"""What stands beside a grant before it is sent: allowances, what the member got, the same complaint (B-05)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loyalty.models import Member, User
from support.models import GrantRequest
from support.selectors import allowance, complaint
from support.selectors.allowance import Bounds, Excess, MemberUsage, Usage
from support.selectors.complaint import Before

# Looked back over where the administrator set nothing else.
USUAL_DAYS = 90


@dataclass(frozen=True)
class Weight:
    """Everything that a second person would ask, as it is now."""

    bounds: Bounds
    usage: Usage
    member: MemberUsage
    days: int
    """Over which the member's sums go."""
    excesses: Sequence[Excess]
    """What it would go beyond; empty where nobody else need look."""
    before: Sequence[Before]

    @property
    def must_wait(self) -> bool:
        return bool(self.excesses)


def weigh(
    *,
    agent: User,
    member: Member,
    offer_id: int,
    exposure_minor: int,
    ticket: str,
    reason: str,
    now: datetime,
    apart_from: GrantRequest | None = None,
) -> Weight:
    """Return what an agent's grant of this cost would do to the allowances, and what was granted before.

    `apart_from` is the request itself, where it waits already. At most seven queries.
    """
    programme = member.programme
    bounds = allowance.bounds(programme=programme, agent=agent)
    days = bounds.of_members.days if bounds.of_members else USUAL_DAYS
    usage = allowance.usage(programme=programme, agent=agent, now=now)
    hers = allowance.member_usage(programme=programme, member_ids=[member.pk], days=days, now=now)
    return Weight(
        bounds=bounds,
        usage=usage,
        member=hers,
        days=days,
        excesses=allowance.would_exceed(bounds, usage, hers, exposure_minor=exposure_minor),
        before=complaint.before(
            member=member, ticket=ticket, offer_id=offer_id, reason=reason, now=now, apart_from=apart_from
        ),
    )
