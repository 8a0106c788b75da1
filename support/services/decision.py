"""Reading what others decided about one's own grants that waited (B-05)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from loyalty.models import Programme, User
from support.selectors import decision


def mark_read(
    *, programme: Programme, user: User, requests: Collection[int], batches: Collection[UUID], now: datetime
) -> int:
    """Note that a person knows of what was decided about these of hers; return how many decisions that were.

    They are named one by one, as they stood before her. What was decided since, or had no room on the page, stays
    unread, and so does what was decided before and committed later: no moment could tell it apart. Whatever is another
    person's or another programme's is passed over.
    """
    with transaction.atomic():
        single = decision.unread_requests(programme=programme, user=user).filter(pk__in=requests)
        sets = decision.unread_batches(programme=programme, user=user).filter(pk__in=batches)
        return single.update(read_at=now) + sets.update(read_at=now)
