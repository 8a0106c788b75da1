"""What a desk has after some weeks of work: allowances, and grants of its agents (B-05)."""

import uuid
from datetime import datetime, timedelta

from django.contrib.auth.models import Group

from loyalty.models import Member, Programme, User
from offers.models import OfferTemplate, Source
from offers.services import revocation
from offers.services.verb import By
from support.models import Allowance, MemberAllowance
from support.services import grant
from support.services.grant import Why

# SCREENS' agent: 20 grants a day, 200 a week, and nobody gives more than 10 alone. Minor units.
AGENTS = {"per_day": 20, "week_minor": 200_00, "single_minor": 10_00}
MEMBERS = {"days": 90, "number": 3}
# Who granted, how many days ago, why, and for how much; to the next member of the list.
WORK = (
    ("agent", 26, "not_received", 300), ("agent", 26, "code_refused", 300), ("lead", 24, "service", 500),
    ("agent", 22, "expired", 300), ("agent", 19, "goodwill", 200), ("agent", 19, "code_refused", 300),
    ("lead", 18, "service", 1200), ("agent", 15, "code_refused", 300), ("agent", 13, "product_missing", 250),
    ("agent", 12, "not_received", 300), ("lead", 12, "goodwill", 400), ("agent", 9, "code_refused", 500),
    ("agent", 8, "code_refused", 300), ("agent", 7, "expired", 300), ("lead", 5, "service", 800),
    ("agent", 5, "not_received", 300), ("agent", 4, "code_refused", 300), ("agent", 2, "goodwill", 200),
    ("agent", 1, "expired", 300), ("lead", 1, "product_missing", 300),
)  # fmt: skip
# Of these, every so manieth was a slip that its agent took back at once.
SLIP = 7
NAMES = uuid.UUID("5f0f7ab4-6f5c-4f57-8d6f-3f1f0a5c7d21")


def load(*, programme: Programme, now: datetime) -> int:
    """Set the desk's allowances and do its work of the last weeks, where that is missing; return how many grants.

    Each grant goes through the desk's own service, under a reference of its own: a second load finds it answered.
    """
    Allowance.objects.get_or_create(
        programme=programme, user=None, role=Group.objects.get(name="support agent"), defaults=AGENTS
    )
    MemberAllowance.objects.get_or_create(programme=programme, defaults=MEMBERS)
    template = OfferTemplate.objects.filter(programme=programme, external_id="make-good").first()
    if template is None:
        return 0
    people = {person.username: person for person in User.objects.filter(username__in=("agent", "lead"))}
    members = Member.objects.filter(programme=programme, status=Member.Status.ACTIVE).order_by("external_id")
    given = 0
    for place, ((who, days, reason, minor), member) in enumerate(zip(WORK, members[: len(WORK)], strict=False)):
        at = now - timedelta(days=days, minutes=place)
        answer = grant.grant(
            member=member,
            template=template,
            terms={"validity": {"days": 60}, "benefit": {"type": "amount", "size": minor}},
            reference=uuid.uuid5(NAMES, f"{programme.pk} {place}"),
            why=Why(reason=reason, ticket=f"#{48100 + 7 * place}"),
            actor=people[who],
            now=at,
        )
        if answer.is_replayed or answer.outcome.assignment_id is None:
            continue
        given += 1
        if place % SLIP == SLIP - 1:
            revocation.undo(
                programme=programme,
                assignment_id=answer.outcome.assignment_id,
                by=By(Source.SUPPORT, people[who]),
                now=at + timedelta(seconds=8),
            )
    return given
