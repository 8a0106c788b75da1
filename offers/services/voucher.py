"""Voucher banks: made with their offer, filled from files (S4-07, S4-17..21; DESIGN 4)."""

from datetime import datetime
from typing import IO, Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from loyalty import patience, years
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import ConfigOffer, VoucherBank, VoucherBatch
from offers.services import module, voucher_doctor, voucher_staging, voucher_table, waiting
from offers.services.voucher_doctor import Report
from offers.services.voucher_file import Reading, blocks, check_name
from offers.services.voucher_staging import ImportRunning

__all__ = ["ImportRunning", "VouchersNotRequired", "check_file", "import_file", "make_bank", "set_low_stock"]


class VouchersNotRequired(Conflict):
    """The offer draws no codes, so it has no bank (S4-17)."""

    code = "vouchers_not_required"


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


@patience.patient()
@transaction.atomic
def import_file(
    *,
    bank: VoucherBank,
    file: IO[bytes],
    file_name: str,
    expires_at: datetime | None,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> VoucherBatch:
    """Import a file of codes as a new segment of the bank, or as one for each expiry, and say what came of it.

    A .txt has one code a line; a .csv has an expiry for each code, and `expires_at` counts for codes without one.
    Codes that the file repeats, or that the bank has, are ignored and counted (S4-20).
    Raises InvalidVoucherFile (every problem, with its line; nothing is written), VoucherFileTooLarge,
    VouchersNotRequired, ImportRunning, OffersModuleOff. Reads `file` once, from its position, in bounded memory; hand
    it over only when it has arrived, since the bank is locked meanwhile.
    """
    _admit(bank=bank, file_name=file_name, expires_at=expires_at, now=now)
    reading = Reading()
    voucher_staging.lock_bank(bank)
    with connection.cursor() as cursor:
        staging = _staged(cursor, bank, file, file_name, reading, now)
        reading.refuse()
        batch = VoucherBatch.objects.create(
            bank=bank,
            file_name=file_name[:255],
            lines=reading.codes,
            expires_at=expires_at,
            imported_by=actor,
            imported_at=now,
        )
        merge = voucher_staging.merge_rows if is_table(file_name) else voucher_staging.merge
        merge(cursor, staging, batch)
        voucher_staging.drop(cursor, staging)
    audit.record(
        action="voucher.imported",
        actor=actor,
        api_client=api_client,
        programme=bank.programme,
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
    waiting.wake(now=now, offer_id=bank.config_offer_id)
    return batch


@patience.patient()
@transaction.atomic
def check_file(
    *, bank: VoucherBank, file: IO[bytes], file_name: str, expires_at: datetime | None, now: datetime
) -> Report:
    """Say what importing the file would do, with every problem, repetition and warning by its line; write nothing.

    Waits for no import, and none waits for it. Raises what `import_file` raises, but InvalidVoucherFile only for a
    wrong kind of file: problems of lines stand in the report. (B-17)
    """
    _admit(bank=bank, file_name=file_name, expires_at=expires_at, now=now)
    reading = Reading()
    with connection.cursor() as cursor:
        staging = _staged(cursor, bank, file, file_name, reading, now)
        report = voucher_doctor.examine(
            cursor, staging, bank=bank, reading=reading, expires_at=expires_at, is_table=is_table(file_name)
        )
        voucher_staging.drop(cursor, staging)
    return report


def is_table(file_name: str) -> bool:
    """Say whether the file has an expiry for each code; anything but a .csv has codes alone."""
    return file_name.lower().endswith(".csv")


def _staged(cursor: Any, bank: VoucherBank, file: IO[bytes], file_name: str, reading: Reading, now: datetime) -> str:
    """Read the file into a staging table, and return that one's name."""
    if not is_table(file_name):
        staging = voucher_staging.create(cursor)
        voucher_staging.fill(cursor, staging, blocks(file, reading))
        return staging
    staging = voucher_staging.create(cursor, with_expiries=True)
    found = voucher_table.rows(file, reading, zone=bank.programme.zone, now=now)
    voucher_staging.fill_rows(cursor, staging, found)
    return staging


def _admit(*, bank: VoucherBank, file_name: str, expires_at: datetime | None, now: datetime) -> None:
    """Refuse a file by its name, its codes' expiry, or because the bank takes no codes."""
    takes_codes(bank=bank)
    check_name(file_name)
    check_expiry(expires_at=expires_at, now=now)


def takes_codes(*, bank: VoucherBank) -> None:
    """Raise OffersModuleOff, VouchersNotRequired, or Conflict for an archived offer, where a bank takes no codes."""
    offer = bank.config_offer
    module.require(programme=offer.programme)
    if not offer.require_vouchers:
        make_bank(offer=offer)
    if offer.state == ConfigOffer.State.ARCHIVED:
        raise Conflict(
            _("“%(offer)s” is archived: its bank takes no more codes.") % {"offer": offer.name}, code="offer_archived"
        )


def check_expiry(*, expires_at: datetime | None, now: datetime) -> None:
    """Refuse codes that could not be drawn any more, and an expiry that nobody could read any more."""
    if expires_at is not None and expires_at <= now:
        message = _("The codes' expiry is over already. Give a later moment, or none.")
        raise InvalidInput(message, problems=[{"field": "expires_at", "code": "in_the_past", "message": message}])
    if expires_at is not None and not years.is_kept_end(expires_at):
        message = _("The codes' expiry is too far away. Give a year up to %(last)d, or none.") % {"last": years.LAST}
        raise InvalidInput(message, problems=[{"field": "expires_at", "code": "too_far_away", "message": message}])
