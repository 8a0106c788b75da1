"""Reading what others decided about one's own grants that waited (B-05)."""

from datetime import datetime

from django.db import transaction

from loyalty.models import Programme, User
from support.selectors import decision


def mark_read(*, programme: Programme, user: User, until: datetime, now: datetime) -> int:
    """Note that a person knows of what was decided by a moment, when she looked; return how many decisions that were.

    What was decided since stays unread: she has not seen it.
    """
    with transaction.atomic():
        read = 0
        for found in (decision.unread_requests, decision.unread_batches):
            read += found(programme=programme, user=user).filter(decided_at__lte=until).update(read_at=now)
        return read
