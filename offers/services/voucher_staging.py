"""The staging table of a set of codes: filled by COPY, looked at and merged in the database (S4-19, S4-20, B-17).

Unlogged and dropped at the end: costs no WAL, and a crash leaves nothing to clean. Each row keeps the number of its
line; a line that is refused is a row without a code, so that the numbers stay the file's own.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from loyalty.errors import Conflict
from offers.models import VoucherBank, VoucherBatch, VoucherSegment


class ImportRunning(Conflict):
    """Another file is being imported into the same bank (S4-21)."""

    code = "import_running"


def lock_bank(bank: VoucherBank) -> None:
    """Let nobody else add codes to the bank, or take them out again, until the transaction ends. Raises ImportRunning.

    The lock ends with the transaction, also when the process dies.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"voucher import {bank.pk}"])
        if not cursor.fetchone()[0]:
            raise ImportRunning(
                _("Another file is being imported into this bank. Wait until it is done, then import this one.")
            )


def create(cursor: Any) -> str:
    """Make a staging table of this session's own, and return its name."""
    cursor.execute("SELECT 'staging.voucher_codes_' || pg_backend_pid()")
    [name] = cursor.fetchone()
    cursor.execute(
        f"""
        CREATE UNLOGGED TABLE {name}
               (line integer GENERATED ALWAYS AS IDENTITY (CACHE 1000), code varchar(100) COLLATE "C")
        """
    )
    return str(name)


def fill(cursor: Any, staging: str, blocks: Iterable[Sequence[str | None]]) -> None:
    """Copy codes into the table as they come; None stands for a line that was refused."""
    with cursor.copy(f"COPY {staging} (code) FROM STDIN") as copy:
        for codes in blocks:
            # Only the backslash means something to COPY: other special characters were refused as invisible.
            lines = "\n".join(code or "\0" for code in codes).replace("\\", "\\\\").replace("\0", "\\N")
            copy.write(f"{lines}\n".encode())
    cursor.execute(f"ANALYZE {staging}")


def merge(cursor: Any, staging: str, batch: VoucherBatch) -> VoucherSegment | None:
    """Move the new codes into a segment with dense positions, and count the rest; None when nothing is new.

    Positions follow the order of the codes: inserting in the order of the unique index makes half a million quick.
    """
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
    if not imported:
        segment.delete()
        return None
    segment.size = imported
    segment.save(update_fields=["size"])
    return segment


def drop(cursor: Any, staging: str) -> None:
    cursor.execute(f"DROP TABLE {staging}")
