"""The work on imports of personal offers: checking a received file, doing a committed one, in chunks (D-14).

A worker may die at any line: a check and a chunk commit whole or not at all, attempts are counted before the work.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from loyalty import tables
from loyalty.database import PERHAPS_PASSING, execute, first_line, in_transaction, is_retryable
from loyalty.errors import DomainError
from offers.models import PersonalOfferImport, PersonalOfferPart, PersonalOfferRow
from offers.selectors import personal_offer
from offers.services import personal_offer_check, personal_offer_file, personal_offer_giving
from offers.services.chunk import BACK_OFF
from offers.services.verb import By

log = structlog.get_logger(__name__)
State = PersonalOfferImport.State
# Rows done in one transaction: as many as one outbox row names.
CHUNK = 1_000
# Rows from which on the planner should know of them.
ANALYZED = 10_000
ATTEMPTS = 5
LEASE = timedelta(seconds=120)
# Between two looks at an import that a worker is at.
WAIT_SECONDS = 0.1


def check(*, upload_id: int, now: datetime) -> bool:
    """Read a received file into rows and say what it would do; return whether there was something to do.

    All or nothing, and safe to repeat. What cannot be read at all is `failed`, with the cause; where that was not the
    file's fault the file is kept, to be tried again.
    """
    taken = _lease(upload_id, State.RECEIVED, now)
    if not taken:
        return False
    upload = _loaded(upload_id)
    if upload.attempts > ATTEMPTS:
        _fail(upload, {**_of_ours("check_failed"), "attempts": upload.attempts - 1}, now)
        return False
    try:
        in_transaction(lambda: _check(upload, now))
    except DomainError as error:
        failure = {"code": error.code, "message": error.message, "problems": error.problems[:100]}
        # Read again, no table would be one.
        _fail(upload, failure, now, keeps_file=not isinstance(error, tables.InvalidTable | tables.TableTooLarge))
    except PERHAPS_PASSING:
        # Tried again after the lease.
        raise
    except Exception:
        # A mistake of ours comes again at every attempt: said at once, and the file is kept until it is mended.
        log.exception("personal_import.check_failed", upload=upload_id)
        _fail(upload, {**_of_ours("check_failed"), "attempts": upload.attempts}, now)
    return True


def _of_ours(code: str) -> dict[str, Any]:
    """Return the failure that is no fault of the file's, in words."""
    return {"code": code, "message": _("The administrator finds the cause in the log; then try it again.")}


def _lease(upload_id: int, state: str, now: datetime) -> bool:
    """Count an attempt before the work, and keep others away from it.

    Skipped while somebody holds the row: a check that takes longer than its lease is still somebody at work.
    """
    with transaction.atomic():
        free = (
            PersonalOfferImport.objects.select_for_update(skip_locked=True)
            .filter(pk=upload_id, state=state)
            .filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now))
        )
        if not free.exists():
            return False
        return bool(
            PersonalOfferImport.objects.filter(pk=upload_id).update(
                leased_until=now + LEASE, attempts=F("attempts") + 1
            )
        )


def _loaded(upload_id: int) -> PersonalOfferImport:
    return PersonalOfferImport.objects.select_related(
        "programme", "config_offer__programme", "config_offer__current_revision", "committed_by"
    ).get(pk=upload_id)


def _fail(upload: PersonalOfferImport, failure: dict[str, Any], now: datetime, *, keeps_file: bool = True) -> None:
    with transaction.atomic():
        PersonalOfferImport.objects.filter(pk=upload.pk).filter(state__in=[State.RECEIVED, State.COMMITTING]).update(
            state=State.FAILED, failure=failure, leased_until=None, finished_at=now
        )
        if not keeps_file:
            PersonalOfferPart.objects.filter(upload=upload).delete()
    log.warning("personal_import.failed", upload=upload.pk, code=failure["code"])


def _check(upload: PersonalOfferImport, now: datetime) -> None:
    locked = PersonalOfferImport.objects.select_for_update().get(pk=upload.pk)
    if locked.state != State.RECEIVED or locked.attempts != upload.attempts:
        return
    context = personal_offer_check.context(offer=upload.config_offer, now=now)
    number = 1
    with tables.joined(_parts(upload)) as file:
        table, problems = personal_offer_file.opened(file, upload.file_name)
        waiting: list[personal_offer_file.Given] = []
        is_flat = False
        for found in personal_offer_file.read(table, mechanic=context.mechanic):
            waiting += found
            is_flat = is_flat or any(one.lines is not None for one in found)
            while len(waiting) >= personal_offer_check.BATCH:
                part, waiting = waiting[: personal_offer_check.BATCH], waiting[personal_offer_check.BATCH :]
                number += personal_offer_check.write_rows(upload=upload, given=part, context=context, first=number)
        if waiting:
            number += personal_offer_check.write_rows(upload=upload, given=waiting, context=context, first=number)
    if problems.count > len(problems.listed) or any(one.line is None for one in problems.listed):
        # More than can be listed, or something about the whole file.
        problems.refuse()
    if number == 1 and not problems.count:
        raise tables.InvalidTable(_("“%(name)s” has no rows.") % {"name": upload.file_name}, code="no_rows")
    personal_offer_check.write_unreadable(upload=upload, problems=problems, first=number, is_flat=is_flat)
    _close(upload, now)
    PersonalOfferPart.objects.filter(upload=upload).delete()


def _close(upload: PersonalOfferImport, now: datetime) -> None:
    if upload.attempts and PersonalOfferRow.objects.filter(upload=upload, number=ANALYZED).exists():
        # What follows joins them all: planned without statistics, one by one.
        execute("ANALYZE offers_personalofferrow")
    counted = personal_offer_check.close(upload=upload)
    upload.state = State.FAULTY if counted["faulty"] else State.CHECKED
    upload.rows, upload.faulty = counted["members"], counted["faulty"]
    upload.unattributed, upload.last_number = counted["unattributed"], counted["last_number"]
    upload.checked_at, upload.leased_until, upload.attempts = now, None, 0
    upload.preview = personal_offer.preview(upload=upload)
    upload.save()


def _parts(upload: PersonalOfferImport) -> Iterator[bytes]:
    """Yield the file, one piece in memory at a time."""
    parts = PersonalOfferPart.objects.filter(upload=upload).order_by("number")
    for number in list(parts.values_list("number", flat=True)):
        yield bytes(parts.get(number=number).content)


def do_next_chunk(*, upload_id: int, now: datetime) -> bool:
    """Do the next rows of a committed import; return whether there were any, or it is somebody else's turn.

    Attempts are counted, and committed, before the work; rows that fail again and again stop the import, and say why.
    """
    if not _lease(upload_id, State.COMMITTING, now):
        return False
    upload = _loaded(upload_id)
    if upload.attempts > ATTEMPTS:
        failure = upload.failure or _of_ours("chunk_failed")
        _fail(upload, {**failure, "done_to": upload.done_to}, now)
        return False
    try:
        return in_transaction(lambda: _do_chunk(upload, now))
    except DatabaseError as error:
        wait = timedelta()
        if not is_retryable(error):
            wait = BACK_OFF * upload.attempts
            log.exception("personal_import.chunk_failed", upload=upload_id, done_to=upload.done_to)
        # What ails the database for a moment must not use up the attempts in that moment.
        PersonalOfferImport.objects.filter(pk=upload_id, state=State.COMMITTING, attempts=upload.attempts).update(
            leased_until=now + wait, failure={"code": "chunk_failed", "message": first_line(error)}
        )
        return True
    except PERHAPS_PASSING:
        raise
    except Exception:
        # As for a check: what is not the database's passes by no waiting, and the import goes on where it stopped.
        log.exception("personal_import.chunk_failed", upload=upload_id, done_to=upload.done_to)
        _fail(upload, {**_of_ours("chunk_failed"), "done_to": upload.done_to}, now)
        return False


def _do_chunk(upload: PersonalOfferImport, now: datetime) -> bool:
    locked = PersonalOfferImport.objects.select_for_update().get(pk=upload.pk)
    if locked.state != State.COMMITTING or locked.attempts != upload.attempts:
        return False
    if locked.done_to >= locked.last_number:
        _finish(upload, now)
        return False
    last = min(locked.done_to + CHUNK, locked.last_number)
    open_rows = list(
        PersonalOfferRow.objects.filter(
            upload=upload, number__gt=locked.done_to, number__lte=last, outcome__isnull=True
        )
        .only(*personal_offer_giving.FIELDS)
        .order_by("number")
    )
    by = By(actor=upload.committed_by)
    personal_offer_giving.give(upload=upload, offer=upload.config_offer, rows=open_rows, by=by, now=now)
    PersonalOfferImport.objects.filter(pk=upload.pk).update(done_to=last, attempts=0, leased_until=None, failure=None)
    return True


def _finish(upload: PersonalOfferImport, now: datetime) -> None:
    PersonalOfferImport.objects.filter(pk=upload.pk).update(
        state=State.FINISHED,
        counts=personal_offer.counts(upload=upload),
        finished_at=now,
        leased_until=None,
        attempts=0,
    )


def run_to_end(*, upload_id: int, clock: Callable[[], datetime]) -> PersonalOfferImport:
    """Check a received import, or do a committed one, in this process, as the command line does.

    Where a worker is at it already, wait until it is done.
    """
    while True:
        is_busy = check(upload_id=upload_id, now=clock()) or do_next_chunk(upload_id=upload_id, now=clock())
        upload = PersonalOfferImport.objects.get(pk=upload_id)
        if not upload.is_at_work:
            return upload
        if not is_busy:
            time.sleep(WAIT_SECONDS)


def waiting(*, now: datetime) -> list[int]:
    """Return the imports that should be going on and have nobody at them."""
    found = PersonalOfferImport.objects.filter(state__in=[State.RECEIVED, State.COMMITTING]).filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    )
    return list(found.values_list("pk", flat=True))
