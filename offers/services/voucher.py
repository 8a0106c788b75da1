"""Voucher banks: made with their offer, filled from files (S4-07, S4-17..21; DESIGN 4)."""

from datetime import datetime
from typing import Any, BinaryIO

from django.db import connection, transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import ConfigOffer, VoucherBank, VoucherBatch, VoucherSegment
from offers.services import module
from offers.services.voucher_file import Reading, blocks, check_name


class VouchersNotRequired(Conflict):
    """The offer draws no codes, so it has no bank (S4-17)."""

    code = "vouchers_not_required"


class ImportRunning(Conflict):
    """Another file is being imported into the same bank (S4-21)."""

    code = "import_running"


def make_bank(*, offer: ConfigOffer) -> VoucherBank:
    """Return the offer's bank, made when it has none. Raises VouchersNotRequired, Conflict for an archived offer."""
    if not offer.require_vouchers:
        raise VouchersNotRequired(
            _("“%(offer)s” does not require vouchers, so no codes can be imported. Switch that on in the offer first.")
            % {"offer": offer.name}
        )
    bank, _made = VoucherBank.objects.get_or_create(config_offer=offer, defaults={"programme_id": offer.programme_id})
    return bank


def set_low_stock(*, bank: VoucherBank, low_stock_at: int, actor: User | None) -> VoucherBank:
    """Set below how many codes the bank asks for more."""
    if not 0 <= low_stock_at <= 100_000_000:
        message = _("Give a whole number from 0.")
        raise InvalidInput(message, problems=[{"field": "low_stock_at", "code": "out_of_range", "message": message}])
    with transaction.atomic():
        old, bank.low_stock_at = bank.low_stock_at, low_stock_at
        bank.save(update_fields=["low_stock_at", "updated_at"])
        audit.record(
            action="voucher_bank.updated",
            actor=actor,
            programme=bank.programme,
            target=bank,
            data={"low_stock_at": [old, low_stock_at]},
        )
    return bank


@transaction.atomic
def import_file(
    *,
    bank: VoucherBank,
    file: BinaryIO,
    file_name: str,
    expires_at: datetime | None,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> VoucherBatch:
    """Import a file of codes as one new segment of the bank, and say what came of it.

    Codes that the file repeats, or that the bank has, are ignored and counted (S4-20). Positions follow the order of
    the codes: inserting in the order of the unique index is what makes half a million quick.
    Raises InvalidVoucherFile (every problem, with its line; nothing is written), VoucherFileTooLarge,
    VouchersNotRequired, ImportRunning, OffersModuleOff. Reads `file` once, from its position, in bounded memory; hand
    it over only when it has arrived, since the bank is locked meanwhile.
    """
    offer = bank.config_offer
    module.require(programme=offer.programme)
    if not offer.require_vouchers:
        make_bank(offer=offer)
    if offer.state == ConfigOffer.State.ARCHIVED:
        raise Conflict(
            _("“%(offer)s” is archived: its bank takes no more codes.") % {"offer": offer.name}, code="offer_archived"
        )
    check_name(file_name)
    if expires_at is not None and expires_at <= now:
        message = _("The codes' expiry is over already. Give a later moment, or none.")
        raise InvalidInput(message, problems=[{"field": "expires_at", "code": "in_the_past", "message": message}])
    reading = Reading()
    with connection.cursor() as cursor:
        # One import at a time per bank; the lock ends with the transaction, also when the process dies.
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"voucher import {bank.pk}"])
        if not cursor.fetchone()[0]:
            raise ImportRunning(
                _("Another file is being imported into this bank. Wait until it is done, then import this one.")
            )
        staging = f"staging.voucher_import_{int(bank.pk)}"
        # Unlogged and dropped at the end: costs no WAL, and a crash leaves nothing to clean.
        cursor.execute(f'CREATE UNLOGGED TABLE {staging} (code varchar(100) COLLATE "C" NOT NULL)')
        with cursor.copy(f"COPY {staging} (code) FROM STDIN") as copy:
            for codes in blocks(file, reading):
                # Only the backslash means something to COPY: other special characters were refused as invisible.
                copy.write(("\n".join(codes).replace("\\", "\\\\") + "\n").encode())
        reading.refuse()
        batch = VoucherBatch.objects.create(
            bank=bank,
            file_name=file_name[:255],
            lines=reading.lines,
            expires_at=expires_at,
            imported_by=actor,
            imported_at=now,
        )
        _merge(cursor, staging, batch)
        cursor.execute(f"DROP TABLE {staging}")
    audit.record(
        action="voucher.imported",
        actor=actor,
        api_client=api_client,
        programme=offer.programme,
        target=bank,
        data={
            "batch": batch.pk,
            "file": batch.file_name,
            "lines": batch.lines,
            "imported": batch.imported,
            "duplicates_in_file": batch.duplicates_in_file,
            "duplicates_in_bank": batch.duplicates_in_bank,
        },
    )
    return batch


def _merge(cursor: Any, staging: str, batch: VoucherBatch) -> None:
    """Move the new codes out of the staging table into a segment with dense positions, and count the rest."""
    cursor.execute(f"ANALYZE {staging}")
    segment = VoucherSegment.objects.create(bank=batch.bank, batch=batch, expires_at=batch.expires_at)
    held = "SELECT FROM offers_vouchercode AS held WHERE held.code = given.code AND held.bank_id = %(bank)s"
    cursor.execute(
        f"""
        INSERT INTO offers_vouchercode (bank_id, segment_id, position, code, origin)
        SELECT %(bank)s, %(segment)s, row_number() OVER (ORDER BY code) - 1, code, 1
          FROM (SELECT DISTINCT code FROM {staging} AS given WHERE NOT EXISTS ({held})) AS fresh
         ORDER BY code
        """,
        {"bank": batch.bank_id, "segment": segment.pk},
    )
    imported = cursor.rowcount
    distinct = batch.lines
    if imported < distinct:
        cursor.execute(f"SELECT count(DISTINCT code) FROM {staging}")
        [distinct] = cursor.fetchone()
    batch.imported = imported
    batch.duplicates_in_file = batch.lines - distinct
    batch.duplicates_in_bank = distinct - imported
    batch.save(update_fields=["imported", "duplicates_in_file", "duplicates_in_bank"])
    if imported:
        segment.size = imported
        segment.save(update_fields=["size"])
    else:
        segment.delete()
