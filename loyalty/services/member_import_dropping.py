"""Files of members that were checked and never imported, or given up, are kept for so long and then dropped.

A file is up to a gigabyte of the database. What it would have done stays on its page; the file must be given again.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from loyalty.models import MemberImport
from loyalty.services import audit

State = MemberImport.State


def drop_next(*, now: datetime) -> bool:
    """Drop the file that has waited longest, if it is due; say whether there was one.

    One file a transaction. Whoever starts its import first keeps it: both look at the state under the row's lock.
    """
    before = now - timedelta(days=settings.UPLOAD_KEPT_DAYS)
    with transaction.atomic():
        due = (
            MemberImport.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("programme")
            .filter(Q(state=State.CHECKED) | Q(state=State.FAILED, dropped_at__isnull=True))
            .annotate(since=Coalesce("checked_at", "received_at"))
        )
        found = due.filter(since__lt=before).order_by("since", "pk").first()
        if found is None:
            return False
        found.parts.all().delete()
        # One that failed says so already: only its file goes.
        found.state = State.DROPPED if found.state == State.CHECKED else found.state
        found.dropped_at = now
        found.save(update_fields=["state", "dropped_at"])
        audit.record(action="member_import.dropped", actor=None, programme=found.programme, target=found)
    return True
