"""Imports of personal offers that were checked and never committed are kept for so long and then dropped (D-14).

What one would have given is a row a member, up to millions; a file that could not be checked is kept in pieces. Nothing
of either was given, and the file must be given again. What stopped half-way stays: its rows say what was done.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from loyalty.database import execute
from loyalty.services import audit
from offers.models import PersonalOfferImport, PersonalOfferPart

State = PersonalOfferImport.State
# Rows deleted in one transaction: some tenths of a second.
PORTION = 20_000
# By number, from the last one: an import whose rows are half gone looks like a shorter one to whoever counts.
DELETE = """
    DELETE FROM offers_personalofferrow
     WHERE upload_id = %(upload_id)s AND number > %(to)s
"""


def drop_next(*, now: datetime) -> bool:
    """Drop the import that has waited longest, if it is due, or go on with one's rows; say whether there was one.

    Whoever commits or tries it again first keeps it: all look at the state under the row's lock.
    """
    return _go_on() or _drop(now)


def _drop(now: datetime) -> bool:
    before = now - timedelta(days=settings.UPLOAD_KEPT_DAYS)
    with transaction.atomic():
        due = (
            PersonalOfferImport.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("programme")
            .filter(dropped_at__isnull=True)
            .filter(
                Q(state__in=[State.CHECKED, State.FAULTY, State.DISCARDED])
                | Q(state=State.FAILED, committed_at__isnull=True)
            )
            .annotate(since=Coalesce("finished_at", "checked_at", "created_at"))
        )
        found = due.filter(since__lt=before).order_by("since", "pk").first()
        if found is None:
            return False
        PersonalOfferPart.objects.filter(upload=found).delete()
        # What was discarded, or failed, says so already.
        found.state = State.DROPPED if found.is_open else found.state
        found.dropped_at = now
        found.save(update_fields=["state", "dropped_at"])
        audit.record(action="personal_import.dropped", actor=None, programme=found.programme, target=found)
    return True


def _go_on() -> bool:
    """Delete the next rows of one that was dropped; `last_number` falls with them, to 0 when none is left."""
    with transaction.atomic():
        dropped = PersonalOfferImport.objects.select_for_update(skip_locked=True).filter(
            dropped_at__isnull=False, last_number__gt=0
        )
        found = dropped.order_by("pk").first()
        if found is None:
            return False
        found.last_number = max(found.last_number - PORTION, 0)
        execute(DELETE, {"upload_id": found.pk, "to": found.last_number})
        found.save(update_fields=["last_number"])
    return True
