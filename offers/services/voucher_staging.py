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

# Stands for nothing in what is copied; no code contains it.
_NONE = "\0"


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


def create(cursor: Any, *, with_expiries: bool = False) -> str:
    """Make a staging table of this session's own, and return its name; one code may have an expiry of its own."""
    cursor.execute("SELECT 'staging.voucher_codes_' || pg_backend_pid()")
    [name] = cursor.fetchone()
    cursor.execute(
        f"""
        CREATE UNLOGGED TABLE {name}
               (line integer GENERATED ALWAYS AS IDENTITY (CACHE 1000), code varchar(100) COLLATE "C"
                {", expires_at timestamptz" if with_expiries else ""})
        """
    )
    return str(name)


def fill(cursor: Any, staging: str, blocks: Iterable[Sequence[str | None]]) -> None:
    """Copy codes into the table as they come; None stands for a line that was refused."""
    with cursor.copy(f"COPY {staging} (code) FROM STDIN") as copy:
        for codes in blocks:
            # Only the backslash means something to COPY: other special characters were refused as invisible.
            lines = "\n".join(code or _NONE for code in codes).replace("\\", "\\\\").replace(_NONE, "\\N")
            copy.write(f"{lines}\n".encode())
    cursor.execute(f"ANALYZE {staging}")


def fill_rows(cursor: Any, staging: str, blocks: Iterable[Sequence[tuple[str | None, str | None]]]) -> None:
    """Copy codes with their expiries into the table as they come; no code is a line that was refused, or the header."""
    with cursor.copy(f"COPY {staging} (code, expires_at) FROM STDIN") as copy:
        for found in blocks:
            lines = "\n".join(f"{code or _NONE}\t{expires_at or _NONE}" for code, expires_at in found)
            copy.write(f"{lines}\n".replace("\\", "\\\\").replace(_NONE, "\\N").encode())
    cursor.execute(f"ANALYZE {staging}")


def merge_rows(cursor: Any, staging: str, batch: VoucherBatch) -> None:
    """As `merge`, with a segment for each expiry; codes without one of their own expire as the batch does.

    Of a code that the file repeats the first line counts.
    """
    cursor.execute(
        f"""
        WITH fresh AS MATERIALIZED (
            SELECT DISTINCT ON (code) code, coalesce(expires_at, %(expires_at)s, 'infinity') AS expires_at
              FROM {staging} AS given
             WHERE code IS NOT NULL
               AND NOT EXISTS (
                    SELECT FROM offers_vouchercode AS held WHERE held.code = given.code AND held.bank_id = %(bank)s
                   )
             ORDER BY code, line
        ), segment AS (
            INSERT INTO offers_vouchersegment (bank_id, batch_id, expires_at, cursor, size)
            SELECT %(bank)s, %(batch)s, nullif(expires_at, 'infinity'), 0, count(*)
              FROM fresh GROUP BY expires_at ORDER BY expires_at
            RETURNING id, coalesce(expires_at, 'infinity') AS expires_at, size
        ), made AS (
            INSERT INTO offers_vouchercode (bank_id, segment_id, position, code, origin)
            SELECT %(bank)s, segment.id, row_number() OVER (PARTITION BY segment.id ORDER BY code) - 1, code, 1
              FROM fresh JOIN segment USING (expires_at)
             ORDER BY code
        )
        SELECT coalesce(sum(size), 0), (SELECT count(DISTINCT code) FROM {staging}) FROM segment
        """,
        {"bank": batch.bank_id, "batch": batch.pk, "expires_at": batch.expires_at},
    )
    batch.imported, distinct = cursor.fetchone()
    batch.duplicates_in_file = batch.lines - distinct
    batch.duplicates_in_bank = distinct - batch.imported
    batch.save(update_fields=["imported", "duplicates_in_file", "duplicates_in_bank"])


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
