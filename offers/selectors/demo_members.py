"""Members to continue as, where the demo runs: made-up people of the demo's programme, the ones with most to see."""

from datetime import datetime

from django.db.models import Count, Q

from loyalty.models import Member, Programme
from offers.models import Assignment

LOOKED_AT = 300
SHOWN = 4


def choices(*, now: datetime) -> list[Member]:
    """Return a few active members, those with the most open offers among the first ones."""
    programme = _programme()
    if programme is None:
        return []
    first = _members(programme).order_by("pk").values_list("pk", flat=True)[:LOOKED_AT]
    counts = (
        Assignment.objects.filter(member_id__in=list(first))
        .visible(now)
        .filter(synchronized_at__isnull=False)
        .values("member_id")
        .annotate(waiting=Count("pk", filter=Q(acceptance_required=True)), codes=Count("voucher_code"), n=Count("pk"))
        .order_by("-codes", "-waiting", "-n", "member_id")[:SHOWN]
    )
    chosen = [row["member_id"] for row in counts] or list(first[:SHOWN])
    found = _members(programme).in_bulk(chosen)
    return [found[key] for key in chosen]


def found(*, external_id: str) -> Member | None:
    """Return the demo's member with that id."""
    programme = _programme()
    if programme is None or "\0" in external_id:
        return None
    return _members(programme).filter(external_id=external_id).first()


def _programme() -> Programme | None:
    return Programme.objects.filter(demo_shift_weeks__isnull=False).order_by("pk").first()


def _members(programme: Programme):
    return Member.objects.filter(programme=programme, status=Member.Status.ACTIVE)
