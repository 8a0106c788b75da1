from typing import Any

from django.contrib.auth.models import Group

from loyalty.models import Programme, User
from support.models import Allowance, MemberAllowance


def allow(programme: Programme, *, user: User | None = None, role: str = "", **limits: int | None) -> Allowance:
    """Set what a person, a role or everybody may grant alone."""
    group = Group.objects.get(name=role) if role else None
    return Allowance.objects.create(programme=programme, user=user, role=group, **limits)


def allow_members(programme: Programme, **limits: Any) -> MemberAllowance:
    """Set what a member may be given by the whole desk, within 90 days unless told."""
    return MemberAllowance.objects.create(programme=programme, **({"days": 90} | limits))
