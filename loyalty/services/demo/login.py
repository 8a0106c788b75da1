"""The demo's people: one login for each role, with passwords that everyone may know."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme, User


@dataclass(frozen=True)
class Login:
    username: str
    password: str
    # The role's group, as the migrations name it.
    role: str
    label: str | Promise
    first_name: str
    last_name: str


LOGINS = (
    Login("agent", "laurel-demo-agent", "support agent", _("Support agent"), "Sam", "Porter"),
    Login("lead", "laurel-demo-lead", "support lead", _("Support lead"), "Lena", "Fischer"),
    Login("marketer", "laurel-demo-marketer", "marketer", _("Marketer"), "Mara", "Lindgren"),
    Login("admin", "laurel-demo-admin", "administrator", _("Administrator"), "Alex", "Whitfield"),
    Login("integration", "laurel-demo-integration", "integration", _("Integration"), "Ines", "Moreau"),
    Login("auditor", "laurel-demo-auditor", "auditor", _("Auditor"), "Ada", "Keller"),
)


def logins() -> list[Login]:
    """Return the logins to show on the sign-in page: none outside demo mode, and none that was not made."""
    if not settings.DEMO:
        return []
    made = set(
        User.objects.filter(username__in=[login.username for login in LOGINS], is_active=True).values_list(
            "username", flat=True
        )
    )
    return [login for login in LOGINS if login.username in made]


def ensure(*, programme: Programme) -> list[Login]:
    """Make the demo's people where they are missing; one who is there keeps her password."""
    for login in LOGINS:
        with transaction.atomic():
            user, is_new = User.objects.get_or_create(
                username=login.username,
                defaults={
                    "email": f"{login.username}@example.com",
                    "first_name": login.first_name,
                    "last_name": login.last_name,
                    "is_staff": True,
                },
            )
            if is_new:
                user.set_password(login.password)
                user.save(update_fields=["password"])
                user.groups.add(Group.objects.get(name=login.role))
            user.programmes.add(programme)
    return list(LOGINS)
