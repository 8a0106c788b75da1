"""Whom a set of grants is for: each one named, found, or why nobody is meant (B-05)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from loyalty import contact
from loyalty.database import rows
from loyalty.errors import InvalidInput
from loyalty.models import Programme
from offers.models import OfferTemplate
from offers.models.grant_ledger import ticket_key
from support.services.grant import Why

# A set is one transaction: more would hold its offer's codes and limits for longer than others like to wait.
MOST = 5_000
# By external id, else by e-mail address, which may be several members'.
FIND = """
    SELECT given.place, coalesce(by_id.id, by_email.id) AS member_id, coalesce(by_email.n, 0) AS n
      FROM unnest(%(places)s::int[], %(named)s::text[], %(emails)s::text[]) AS given (place, named, email)
      LEFT JOIN loyalty_member AS by_id
        ON by_id.programme_id = %(programme)s AND by_id.external_id = given.named AND by_id.status <> 'erased'
      LEFT JOIN LATERAL (
            SELECT min(found.id) AS id, count(*) AS n
              FROM loyalty_member AS found
             WHERE given.email <> '' AND found.programme_id = %(programme)s AND found.email_key = given.email
               AND found.email_key <> '' AND found.status <> 'erased'
           ) AS by_email ON by_id.id IS NULL
     ORDER BY given.place
"""
MADE_GOOD = """
    SELECT member_id FROM offers_grantledgerentry
     WHERE programme_id = %(programme)s AND ticket_key = %(ticket)s AND ticket_key <> ''
     GROUP BY member_id HAVING sum(n) > 0
"""


@dataclass(frozen=True)
class Line:
    """One member as she was named. `outcome` is empty for who is to be given it, else what became of her or why not."""

    place: int
    line: int
    named: str
    member_id: int | None
    outcome: str = ""
    assignment_id: UUID | None = None


@dataclass(frozen=True)
class Plan:
    """What a set is to give, to whom and why."""

    programme: Programme
    template: OfferTemplate
    terms: Mapping[str, Any]
    named: Sequence[tuple[int, str]]
    why: Why
    is_again: bool = False


def find(plan: Plan) -> list[Line]:
    """Return each one named with the member she is, or why nobody is meant; two statements for any number."""
    if not plan.named:
        raise InvalidInput(_("Name at least one member."), code="no_member_found")
    if len(plan.named) > MOST:
        words = {"most": MOST}
        message = _("A set has at most %(most)d members. For more, ask a marketer to make a run of an uploaded list.")
        raise InvalidInput(message % words, code="too_many_members")
    found = rows(
        FIND,
        {
            "programme": plan.programme.pk,
            "places": list(range(1, len(plan.named) + 1)),
            "named": [named for _line, named in plan.named],
            "emails": [contact.email_key(named) if "@" in named else "" for _line, named in plan.named],
        },
    )
    again = set() if plan.is_again else made_good(plan)
    met: set[int] = set()
    lines = []
    for row, (line, named) in zip(found, plan.named, strict=True):
        member_id = row["member_id"]
        if row["n"] > 1:
            kind, member_id = "ambiguous", None
        elif member_id is None:
            kind = "unknown_member"
        elif member_id in met:
            kind = "repeated"
        else:
            kind = "made_good" if member_id in again else ""
            met.add(member_id)
        lines.append(Line(row["place"], line, named[:254], member_id, kind))
    return lines


def made_good(plan: Plan) -> set[int]:
    """Return who was made good for the plan's ticket already, by anybody."""
    key = ticket_key(plan.why.ticket)
    if not key:
        return set()
    return {row["member_id"] for row in rows(MADE_GOOD, {"programme": plan.programme.pk, "ticket": key})}
