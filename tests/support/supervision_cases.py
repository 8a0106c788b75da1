"""A ledger planted by hand, for tests of what is read from it: rows as grants and take-backs write them."""

import uuid
from datetime import UTC, date, datetime, time, timedelta

from offers.models import GrantLedgerEntry
from offers.models.grant_ledger import ticket_key


def entry(agent, member, template, *, day: date, size=500, reason="goodwill", ticket="", is_back=False, **more):
    """Write a grant of that day, and its counter-row where it was taken back; return the grant."""
    at = more.pop("at", datetime.combine(day, time(12), tzinfo=UTC))
    row = GrantLedgerEntry(
        programme=template.programme,
        at=at,
        day=day,
        agent=agent,
        member=member,
        config_offer=template.config_offer,
        template=template,
        assignment_id=uuid.uuid4(),
        reason=reason,
        ticket=ticket,
        ticket_key=ticket_key(ticket),
        n=1,
        exposure_minor=size,
        **more,
    )
    row.save()
    if is_back:
        back = GrantLedgerEntry.objects.get(pk=row.pk)
        back.pk, back.n, back.exposure_minor, back.at = None, -1, -size, at + timedelta(minutes=5)
        back.save(force_insert=True)
    return row
