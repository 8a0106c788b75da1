"""The desk's ledger row by row: each grant once, with when it was taken back (B-05)."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, TypedDict

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from loyalty.database import rows
from loyalty.models import Programme, User
from offers.models import GrantLedgerEntry

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class TakenBack(TypedDict):
        taken_back_at: datetime | None

    Grants = QuerySet[WithAnnotations[GrantLedgerEntry, TakenBack]]

MEDIANS = """
    SELECT template_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY exposure_minor) AS median
      FROM offers_grantledgerentry
     WHERE programme_id = %(programme)s AND n = 1
       AND (%(first)s::date IS NULL OR day >= %(first)s) AND (%(last)s::date IS NULL OR day <= %(last)s)
     GROUP BY template_id
"""
_BACK = GrantLedgerEntry.objects.filter(assignment=OuterRef("assignment"), n=-1)
IS_BACK = Exists(_BACK)


def entries(*, programme: Programme) -> "Grants":
    """Return each grant of the desk with its people and offer; `taken_back_at` is None where it stands."""
    return (
        GrantLedgerEntry.objects.filter(programme=programme, n=1)
        .select_related("agent", "approved_by", "member", "template", "config_offer__current_revision")
        .annotate(taken_back_at=Subquery(_BACK.values("at")[:1]))
    )


def of_agent(*, programme: Programme, user: User) -> "Grants":
    """Return a person's own grants."""
    return entries(programme=programme).filter(agent=user)


def medians(*, programme: Programme, first: date | None = None, last: date | None = None) -> Mapping[int, int]:
    """Return what a grant of each template costs in the middle, in minor units, within the days."""
    found = rows(MEDIANS, {"programme": programme.pk, "first": first, "last": last})
    return {row["template_id"]: row["median"] for row in found}


def above_median(*, programme: Programme, first: date | None, last: date | None) -> Q:
    """Return the condition that a grant costs more than its template's in the middle, within the days."""
    found = Q(pk__in=[])
    for template, median in medians(programme=programme, first=first, last=last).items():
        found |= Q(template=template, exposure_minor__gt=median)
    return found
