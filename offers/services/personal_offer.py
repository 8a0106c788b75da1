"""Imports of personal offers: received, checked, committed, done (S1-03..06, D-14).

The file is kept until a worker has read it (`personal_offer_work`). Checking writes a row a member and says what
committing would do; committing gives the rows in chunks, each with what became of it. Doors ring the workers; the
sweeper rings again.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from datetime import datetime
from typing import IO, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from loyalty import tables
from loyalty.database import execute, in_transaction, is_violation
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit
from offers.models import (
    Audience,
    ConfigOffer,
    PersonalOfferImport,
    PersonalOfferPart,
    PersonalOfferRow,
)
from offers.selectors import personal_offer
from offers.services import module, personal_offer_check, personal_offer_file, personal_offer_giving
from offers.services.verb import By

State = PersonalOfferImport.State
# Members in one call of a machine.
MOST = 1_000
PART = 1 << 20


class NotPersonal(Conflict):
    """The offer has no personal terms, or is not published."""

    code = "not_a_personal_offer"


class ImportState(Conflict):
    """The import is not in a state in which this can be done."""

    code = "personal_import_state"


class HasProblems(InvalidInput):
    """Some rows have problems, and nobody said to leave them out."""

    code = "personal_import_has_problems"


def receive(
    *,
    programme: Programme,
    offer: ConfigOffer,
    file: IO[bytes],
    file_name: str,
    is_full: bool,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
    reference: str | None = None,
) -> PersonalOfferImport:
    """Keep a file for a worker to check, and return its import; the caller rings the workers.

    Raises OffersModuleOff, NotPersonal, InvalidTable for what is no table, TableTooLarge. `is_full`: who is not in the
    file loses what she had. A machine's `reference` again, with the same file, is the same import; with another file
    it raises InvalidInput. (S1-03, S1-06)
    """
    _require(programme, offer)
    hashed = hashlib.sha256(f"{offer.pk} {is_full} ".encode())
    with tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE) as spool:
        size = 0
        while part := file.read(PART):
            size += len(part)
            if size > settings.TABLE_FILE_MAX_BYTES:
                most = f"{settings.TABLE_FILE_MAX_BYTES:,}"
                raise tables.TableTooLarge(
                    _("“%(name)s” has more than %(most)s bytes. Split it.") % {"name": file_name, "most": most}
                )
            spool.write(part)
            hashed.update(part)
        if reference and (known := _received(api_client, reference, hashed.hexdigest())):
            return known
        spool.seek(0)
        # What it is shows at its beginning; what is in it, a worker reads.
        table, _problems = personal_offer_file.opened(spool, file_name)
        try:
            return _keep(
                spool,
                PersonalOfferImport(
                    programme=programme,
                    config_offer=offer,
                    file_name=table.file_name,
                    format=table.format,
                    is_full=is_full,
                    reference=reference,
                    content_digest=hashed.hexdigest(),
                    created_by=actor,
                    api_client=api_client,
                    created_at=now,
                ),
            )
        except IntegrityError as error:
            if not is_violation(error, "an_upload_key_is_used_once_per_machine"):
                raise
    # The same upload twice at once, and the other one was first: its import stands.
    known = _received(api_client, reference or "", hashed.hexdigest())
    if known is None:
        raise AssertionError("unreachable")
    return known


def _keep(file: IO[bytes], upload: PersonalOfferImport) -> PersonalOfferImport:
    """Write the import and its file, part by part, together."""
    file.seek(0)
    size = 0
    with transaction.atomic():
        upload.save()
        while part := file.read(PART):
            PersonalOfferPart.objects.create(upload=upload, number=size // PART, content=part)
            size += len(part)
        audit.record(
            action="personal_import.received",
            actor=upload.created_by,
            api_client=upload.api_client,
            programme=upload.programme,
            target=upload,
            data={"bytes": size, "is_full": upload.is_full},
        )
    return upload


def _received(api_client: ApiClient | None, reference: str, digest: str) -> PersonalOfferImport | None:
    """Return what the same machine sent under the same key."""
    known = PersonalOfferImport.objects.filter(api_client=api_client, reference=reference).first()
    if known is not None and known.content_digest != digest:
        raise InvalidInput(
            _("This key was used for another file. Use a new key for each."), code="idempotency_key_reused"
        )
    return known


def _require(programme: Programme, offer: ConfigOffer) -> None:
    module.require(programme=programme)
    terms = offer.current_revision.terms if offer.current_revision else {}
    if not offer.is_published or offer.audience != Audience.PERSONALIZED or "personal" not in terms:
        raise NotPersonal(
            _("“%(offer)s” takes no personal terms. Give it the rule “Personal terms” and publish it.")
            % {"offer": offer.name}
        )


# Who is gone from a full import: rows of their own behind the file's, so that they are done and reported alike.
WITHDRAW = f"""
    INSERT INTO offers_personalofferrow (upload_id, number, member_external_id, member_id, exposure_minor, digest,
                                         core_digest, acceptance, had_uses)
    SELECT %(upload_id)s, %(last_number)s + row_number() OVER (ORDER BY value.member_id), member.external_id,
           value.member_id, 0, '', '', '', FALSE
    {personal_offer.ABSENT}
"""


def commit(
    *,
    upload: PersonalOfferImport,
    leaves_out_faulty: bool,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> PersonalOfferImport:
    """Put a checked import to work and return it; the caller rings the workers.

    Raises HasProblems where rows have problems and nobody said to leave them out, and ImportState where it was
    committed already, another one of the offer is at work or was committed since this one was checked, or a full one
    would leave out lines of which nobody knows whose they are. (D-14)
    """
    _require(upload.programme, upload.config_offer)
    try:
        with transaction.atomic():
            _commit(upload, leaves_out_faulty, actor, now, api_client)
    except IntegrityError as error:
        if not is_violation(error, "one_import_of_an_offer_is_at_work"):
            raise
        raise ImportState(_("Another import of this offer is at work. Wait until it is finished.")) from error
    upload.refresh_from_db()
    return upload


def _commit(
    upload: PersonalOfferImport,
    leaves_out_faulty: bool,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None,
) -> None:
    personal_offer_giving.lock_offer(offer_id=upload.config_offer_id)
    locked = PersonalOfferImport.objects.select_for_update().get(pk=upload.pk)
    if not locked.is_open:
        raise _not_open(locked)
    if locked.faulty and not leaves_out_faulty:
        raise HasProblems(
            _("%(count)d of its rows have problems. Mend the file and give it again, or leave these rows out.")
            % {"count": locked.faulty}
        )
    if locked.unattributed and locked.is_full:
        raise ImportState(
            _(
                "Some lines name nobody, and whoever is not in a full import loses what she had. Mend these lines and "
                "give the file again."
            )
        )
    if locked.checked_at and _is_outrun(locked, locked.checked_at):
        raise ImportState(_("Another import was committed since this one was checked. Give the file again."))
    if locked.is_full:
        key = {"upload_id": locked.pk, "offer_id": locked.config_offer_id, "last_number": locked.last_number}
        with personal_offer.hashed():
            locked.last_number += execute(WITHDRAW, key)
    locked.leaves_out_faulty = leaves_out_faulty
    locked.state, locked.committed_at, locked.committed_by = State.COMMITTING, now, actor
    locked.leased_until, locked.attempts = None, 0
    locked.save()
    audit.record(
        action="personal_import.committed",
        actor=actor,
        api_client=api_client,
        programme=upload.programme,
        target=upload,
        data={"faulty": locked.faulty, **locked.preview},
    )


def _is_outrun(locked: PersonalOfferImport, since: datetime) -> bool:
    """Say whether another file's import of the offer was committed since then."""
    newer = PersonalOfferImport.objects.filter(config_offer=locked.config_offer_id, committed_at__gt=since)
    return newer.exclude(format=PersonalOfferImport.Format.API).exclude(pk=locked.pk).exists()


def _not_open(locked: PersonalOfferImport) -> ImportState:
    if locked.dropped_at:
        return ImportState(_("This import was dropped, because it waited too long. Give the file again."))
    return ImportState(_("This import is %(state)s.") % {"state": locked.get_state_display()})


def retry(
    *, upload: PersonalOfferImport, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> PersonalOfferImport:
    """Try a failed import again where it stopped, and return it; the caller rings the workers.

    One that could not be checked is checked anew, from its file; one that stopped at its rows goes on with the next of
    them, and what was given stays. One that is at work already is left so: again is the same. Raises ImportState where
    it did not fail, its file is no longer kept, another import of the offer is at work, or one was committed since.
    (D-14)
    """
    _require(upload.programme, upload.config_offer)
    try:
        with transaction.atomic():
            _retry(upload, actor, now, api_client)
    except IntegrityError as error:
        if not is_violation(error, "one_import_of_an_offer_is_at_work"):
            raise
        raise ImportState(_("Another import of this offer is at work. Wait until it is finished.")) from error
    upload.refresh_from_db()
    return upload


def _retry(upload: PersonalOfferImport, actor: User | None, now: datetime, api_client: ApiClient | None) -> None:
    personal_offer_giving.lock_offer(offer_id=upload.config_offer_id)
    locked = PersonalOfferImport.objects.select_for_update().get(pk=upload.pk)
    if locked.is_at_work:
        return
    if locked.state != State.FAILED:
        raise _not_open(locked)
    if not locked.is_retriable:
        raise ImportState(_("The file of this import is no longer kept. Give it again."))
    if locked.committed_at and _is_outrun(locked, locked.committed_at):
        raise ImportState(_("Another import was committed since this one stopped. Give the file again."))
    locked.state = State.COMMITTING if locked.committed_at else State.RECEIVED
    locked.failure, locked.finished_at, locked.leased_until, locked.attempts = None, None, None, 0
    locked.save(update_fields=["state", "failure", "finished_at", "leased_until", "attempts"])
    audit.record(
        action="personal_import.retried",
        actor=actor,
        api_client=api_client,
        programme=upload.programme,
        target=upload,
        data={"done_to": locked.done_to},
    )


def discard(
    *, upload: PersonalOfferImport, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> PersonalOfferImport:
    """Put a checked import away; nothing of it was given. Again is the same. Raises ImportState."""
    with transaction.atomic():
        locked = PersonalOfferImport.objects.select_for_update().get(pk=upload.pk)
        if locked.state != State.DISCARDED:
            if not locked.is_open:
                raise _not_open(locked)
            PersonalOfferImport.objects.filter(pk=upload.pk).update(state=State.DISCARDED, finished_at=now)
            audit.record(
                action="personal_import.discarded",
                actor=actor,
                api_client=api_client,
                programme=upload.programme,
                target=upload,
            )
    upload.refresh_from_db()
    return upload


def put(
    *,
    programme: Programme,
    offer: ConfigOffer,
    values: Sequence[Any],
    now: datetime,
    api_client: ApiClient | None,
    actor: User | None = None,
) -> PersonalOfferImport:
    """Set up to a thousand members' attributes at once; each is answered for itself, in its row, in the order given.

    Who is not named keeps hers. Raises OffersModuleOff, NotPersonal, InvalidInput for too many. (S1-03, D-14)
    """
    _require(programme, offer)
    if not 1 <= len(values) <= MOST:
        message = _("Give 1 to %(most)d members at once.") % {"most": MOST}
        raise InvalidInput(message, problems=[{"field": "members", "code": "list_too_long", "message": message}])
    return in_transaction(lambda: _put(programme, offer, values, now, api_client, actor))


def _put(
    programme: Programme,
    offer: ConfigOffer,
    values: Sequence[Any],
    now: datetime,
    api_client: ApiClient | None,
    actor: User | None,
) -> PersonalOfferImport:
    upload = PersonalOfferImport.objects.create(
        programme=programme,
        config_offer=offer,
        format=PersonalOfferImport.Format.API,
        leaves_out_faulty=True,
        created_by=actor,
        api_client=api_client,
        created_at=now,
    )
    context = personal_offer_check.context(offer=offer, now=now)
    given = personal_offer_file.of_json(values)
    personal_offer_check.write_rows(upload=upload, given=given, context=context, first=1)
    counted = personal_offer_check.close(upload=upload)
    open_rows = list(
        PersonalOfferRow.objects.filter(upload=upload, outcome__isnull=True)
        .only(*personal_offer_giving.FIELDS)
        .order_by("number")
    )
    by = By(actor=actor, api_client=api_client)
    personal_offer_giving.give(upload=upload, offer=offer, rows=open_rows, by=by, now=now)
    upload.state = State.FINISHED
    upload.rows, upload.faulty = counted["members"], counted["faulty"]
    upload.unattributed, upload.last_number = counted["unattributed"], counted["last_number"]
    upload.done_to = upload.last_number
    upload.checked_at = upload.committed_at = upload.finished_at = now
    upload.counts = personal_offer.counts(upload=upload)
    upload.save()
    return upload
