"""The administrator's view of allowances: every row, and who has used how much of what counts for her (B-05)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from loyalty.models import Programme, User
from support.models import Allowance, MemberAllowance
from support.selectors import allowance
from support.selectors.allowance import Bounds, Usage

# More agents than one page shows; the desk's supervision has them all.
MOST = 200


@dataclass(frozen=True)
class Agent:
    """One who may grant, with what counts for her and what she used."""

    person: User
    bounds: Bounds
    usage: Usage
    source: str
    """Whose row counts: `own`, `role`, `everybody`, or nothing."""


def overview(*, programme: Programme, now: datetime) -> dict[str, Any]:
    """Return the rows, what members may be given, and the agents with their usage; a fixed number of queries."""
    rows = list(Allowance.objects.filter(programme=programme).select_related("user", "role"))
    rows.sort(key=lambda row: (bool(row.user_id), bool(row.role_id), str(row)))
    usages = allowance.usages(programme=programme, agents=None, now=now)
    grants = Q(groups__permissions__codename="grant_assignment", is_active=True) | Q(pk__in=list(usages))
    people = User.objects.filter(grants, programmes=programme).distinct().prefetch_related("groups")
    agents = [_agent(person, rows, usages.get(person.pk, Usage())) for person in people.order_by("username")[:MOST]]
    agents.sort(key=lambda each: (-each.usage.week_minor, -each.usage.week, str(each.person)))
    return {
        "rows": rows,
        "of_members": MemberAllowance.objects.filter(programme=programme).first(),
        "agents": agents,
    }


def _agent(person: User, rows: list[Allowance], usage: Usage) -> Agent:
    roles = {role.pk for role in person.groups.all()}
    own = [row for row in rows if row.user_id == person.pk]
    of_roles = [row for row in rows if row.role_id in roles]
    everybody = [row for row in rows if not row.user_id and not row.role_id]
    counting = own or of_roles or everybody
    source = "own" if own else "role" if of_roles else "everybody" if everybody else ""
    return Agent(person, Bounds(**allowance.counting(counting), of_members=None), usage, source)
