"""A member's receipts, newest first, and the lines of one."""

from collections.abc import Sequence
from datetime import datetime

from loyalty.errors import NotFound
from loyalty.models import Member, Programme, Purchase, PurchaseLine

PAGE = 10


def receipts(*, member: Member, page: int = 1, until: datetime | None = None) -> tuple[list[Purchase], bool]:
    """Return a page of the member's receipts with their stores, and whether there is more; one query.

    `until` leaves out what was bought later.
    """
    first = PAGE * (page - 1)
    hers = Purchase.objects.filter(member=member)
    found = list(
        (hers if until is None else hers.filter(purchased_at__lte=until))
        .select_related("store")
        .order_by("-purchased_at", "-pk")[first : first + PAGE + 1]
    )
    return found[:PAGE], len(found) > PAGE


def get(*, programme: Programme, purchase_id: int) -> Purchase:
    """Return the programme's receipt. Raises NotFound, also for another programme's."""
    found = Purchase.objects.filter(programme=programme, pk=purchase_id).select_related("store", "member").first()
    if found is None:
        raise NotFound("There is no such receipt here.")
    return found


def by_number(*, programme: Programme, number: str) -> Purchase | None:
    """Return the programme's receipt with that number, if there is one."""
    return Purchase.objects.filter(programme=programme, external_id=number).first()


def lines(*, purchase: Purchase) -> Sequence[PurchaseLine]:
    """Return the receipt's lines with their products, dearest first; one query."""
    return list(
        PurchaseLine.objects.filter(purchase=purchase)
        .select_related("product__category")
        .order_by("-amount_minor", "pk")
    )
