"""The import doctor: what stands in a file of codes, by line, before anything is kept (B-17).

What refuses a file is found while it is read (`voucher_file`); what is ignored, and what is only odd, is asked of the
database here, over the staging table. Codes of the bank are never named: a report is no way to read them (D-10).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from offers.models import VoucherBank
from offers.services.voucher_file import MOST_PROBLEMS, Reading

TITLES = {
    "blank": _("blank lines"),
    "too_long": _("too long"),
    "not_utf_8": _("not UTF-8"),
    "utf_16": _("UTF-16"),
    "nul": _("NUL characters"),
    "carriage_return": _("carriage returns"),
    "tab": _("tabs"),
    "space_around": _("spaces around a code"),
    "invisible": _("invisible characters"),
    "empty_file": _("empty file"),
    "duplicate_in_file": _("repeated in the file"),
    "duplicate_in_bank": _("in this bank already"),
    "in_another_bank": _("in another offer's bank"),
    "mixed_letters": _("letters of two alphabets in one code"),
    "look_alike_in_file": _("codes that look like another one of the file"),
    "look_alike_in_bank": _("codes that look like another one of the bank"),
    "byte_order_mark": _("byte order mark"),
    "header": _("header"),
    "csv_header": _("no header"),
    "columns": _("not a code and an expiry"),
    "not_a_moment": _("not a date"),
    "expiry_over": _("expired already"),
    "too_many_expiries": _("too many different expiries"),
    "expiry_differs": _("repeated with another expiry"),
}

# Letters that look like Latin ones, each above its twin; then those that people take for digits.
_FOREIGN = "АВЕКМНРСТУХаеорсухѕјΑΒΕΖΗΚΜΝΡΤΥΧονОΟІΙӀ"
_LATIN = "ABEKMHPCTYXaeopcyxsjABEZHKMNPTYXov00111"
DIGIT_LIKE, DIGITS = "OIl|", "0111"
# `translate` takes each letter of the first string for its twin in the second; mostly four letters will do.
_SHAPE = (
    f"CASE WHEN octet_length({{code}}) = length({{code}}) THEN translate({{code}}, '{DIGIT_LIKE}', '{DIGITS}') "
    f"ELSE translate({{code}}, '{_FOREIGN}{DIGIT_LIKE}', '{_LATIN}{DIGITS}') END"
)
# Greek, Cyrillic, and the wide forms of Latin, inside a code with plain Latin letters.
MIXED = "[\u0370-\u052f\uff10-\uff5a]"

_FIRST = "SELECT code, min(line) AS line FROM {staging} WHERE code IS NOT NULL GROUP BY code"

REPEATED = f"""
    WITH first AS ({_FIRST} HAVING count(*) > 1)
    SELECT given.line, first.line AS other, count(*) OVER () AS n
      FROM {{staging}} AS given JOIN first USING (code)
     WHERE given.line > first.line
     ORDER BY given.line LIMIT {MOST_PROBLEMS}
"""
HELD = f"""
    WITH first AS ({_FIRST})
    SELECT first.line, NULL AS other, count(*) OVER () AS n
      FROM first JOIN offers_vouchercode AS held ON held.code = first.code AND held.bank_id = %(bank_id)s
     ORDER BY first.line LIMIT {MOST_PROBLEMS}
"""
ELSEWHERE = f"""
    WITH first AS ({_FIRST})
    SELECT first.line, min(offer.name) AS other, count(*) OVER () AS n
      FROM first
      JOIN offers_vouchercode AS held ON held.code = first.code AND held.bank_id <> %(bank_id)s
      JOIN offers_voucherbank AS bank ON bank.id = held.bank_id AND bank.programme_id = %(programme_id)s
      JOIN offers_configoffer AS offer ON offer.id = bank.config_offer_id
     GROUP BY first.line
     ORDER BY first.line LIMIT {MOST_PROBLEMS}
"""
MIXED_LETTERS = f"""
    SELECT line, NULL AS other, count(*) OVER () AS n
      FROM {{staging}}
     WHERE octet_length(code) > length(code) AND code ~ '[A-Za-z]' AND code ~ %(mixed)s
     ORDER BY line LIMIT {MOST_PROBLEMS}
"""
_SHAPED = f"""
    WITH shaped AS MATERIALIZED (SELECT line, code, {_SHAPE.format(code="code")} AS shape FROM ({_FIRST}) AS first)
"""
TWINS_IN_FILE = f"""
    {_SHAPED}, twin AS (SELECT shape, min(line) AS line FROM shaped GROUP BY shape HAVING count(*) > 1)
    SELECT shaped.line, twin.line AS other, count(*) OVER () AS n
      FROM shaped JOIN twin USING (shape)
     WHERE shaped.line > twin.line
     ORDER BY shaped.line LIMIT {MOST_PROBLEMS}
"""
TWINS_IN_BANK = f"""
    {_SHAPED}
    SELECT shaped.line, NULL AS other, count(*) OVER () AS n
      FROM shaped
      JOIN offers_vouchercode AS held
        ON {_SHAPE.format(code="held.code")} = shaped.shape
       AND held.bank_id = %(bank_id)s AND held.code <> shaped.code
     GROUP BY shaped.line
     ORDER BY shaped.line LIMIT {MOST_PROBLEMS}
"""
# Of a repeated code the first line counts.
EXPIRY_DIFFERS = f"""
    WITH first AS (
        SELECT DISTINCT ON (code) code, line, expires_at FROM {{staging}} WHERE code IS NOT NULL ORDER BY code, line
    )
    SELECT given.line, first.line AS other, count(*) OVER () AS n
      FROM {{staging}} AS given JOIN first USING (code)
     WHERE given.line > first.line AND given.expires_at IS DISTINCT FROM first.expires_at
     ORDER BY given.line LIMIT {MOST_PROBLEMS}
"""
# What would be imported, by expiry; those that never expire last.
EXPIRIES = """
    SELECT coalesce(expires_at, %(expires_at)s) AS expires_at, count(*) AS n
      FROM (SELECT DISTINCT ON (code) code, expires_at FROM {staging} WHERE code IS NOT NULL ORDER BY code, line)
           AS given
     WHERE NOT EXISTS (
            SELECT FROM offers_vouchercode AS held WHERE held.code = given.code AND held.bank_id = %(bank_id)s
           )
     GROUP BY 1 ORDER BY 1 NULLS LAST
"""


@dataclass(frozen=True)
class Expiry:
    """How many of a file's codes would expire when; None is never."""

    expires_at: datetime | None
    count: int


@dataclass(frozen=True)
class Finding:
    """One kind of thing found in a file: an `error` refuses it, `ignored` lines are left out, a `warning` is told.

    `count` is exact; `problems` lists the first of them.
    """

    kind: str
    severity: str
    count: int
    problems: Sequence[dict[str, Any]]

    @property
    def title(self) -> Any:
        """Return what this kind is called on a screen."""
        return TITLES[self.kind]

    @property
    def more(self) -> int:
        """Return how many are not listed."""
        return self.count - len(self.problems)


@dataclass(frozen=True)
class Report:
    """What importing a file would do. `imported` is 0 when it would be refused; nothing of a refused file is kept."""

    lines: int
    imported: int
    duplicates_in_file: int
    duplicates_in_bank: int
    findings: Sequence[Finding]
    expiries: Sequence[Expiry] = ()
    """When what would be imported expires, earliest first; none where the file would be refused."""

    @property
    def refused(self) -> int:
        """Return how many problems refuse the file."""
        return sum(finding.count for finding in self.findings if finding.severity == "error")

    @property
    def is_acceptable(self) -> bool:
        return not self.refused


def examine(
    cursor: Any,
    staging: str,
    *,
    bank: VoucherBank,
    reading: Reading,
    expires_at: datetime | None = None,
    is_table: bool = False,
) -> Report:
    """Return the report on the codes in the staging table and on what was noted while reading them.

    `expires_at` is that of codes without one of their own, which those of a table (`is_table`) may have.
    """
    parameters = {
        "bank_id": bank.pk,
        "programme_id": bank.programme_id,
        "mixed": MIXED,
        "expires_at": expires_at,
    }
    asked = [
        ("duplicate_in_file", "ignored", REPEATED, gettext("Line %(line)d repeats line %(other)s.")),
        ("duplicate_in_bank", "ignored", HELD, gettext("Line %(line)d is in this bank already.")),
        ("in_another_bank", "warning", ELSEWHERE, gettext("Line %(line)d is in the bank of “%(other)s” too.")),
        (
            "mixed_letters",
            "warning",
            MIXED_LETTERS,
            gettext("Line %(line)d mixes Latin letters with Greek, Cyrillic or wide ones that look like them."),
        ),
        (
            "look_alike_in_file",
            "warning",
            TWINS_IN_FILE,
            gettext("Line %(line)d looks like line %(other)s (O and 0, I, l and 1, or a foreign letter)."),
        ),
        (
            "look_alike_in_bank",
            "warning",
            TWINS_IN_BANK,
            gettext("Line %(line)d looks like another code of this bank (O and 0, I, l and 1, or a foreign letter)."),
        ),
    ]
    if is_table:
        repeated = gettext("Line %(line)d repeats line %(other)s with another expiry; that of line %(other)s counts.")
        asked.append(("expiry_differs", "warning", EXPIRY_DIFFERS, repeated))
    errors = [
        Finding(kind, "error", count, [problem for problem in reading.problems if problem["code"] == kind])
        for kind, count in reading.counts.items()
    ]
    errors.sort(key=lambda finding: finding.problems[0]["line"] or 0)
    found = [
        _ask(cursor, kind, severity, sql.format(staging=staging), parameters, message)
        for kind, severity, sql, message in asked
    ]
    notes = [Finding(note["code"], "warning", 1, [note]) for note in reading.notes]
    cursor.execute(f"SELECT count(code), count(DISTINCT code) FROM {staging}")
    good, distinct = cursor.fetchone()
    expiries: list[Expiry] = []
    if is_table and not errors:
        cursor.execute(EXPIRIES.format(staging=staging), parameters)
        expiries = [Expiry(*row) for row in cursor.fetchall()]
    in_bank = next(finding.count for finding in found if finding.kind == "duplicate_in_bank")
    return Report(
        lines=reading.codes,
        imported=0 if errors else distinct - in_bank,
        duplicates_in_file=good - distinct,
        duplicates_in_bank=in_bank,
        findings=[*errors, *(finding for finding in found if finding.count), *notes],
        expiries=expiries or ([Expiry(expires_at, distinct - in_bank)] if expires_at and not errors else []),
    )


def _ask(cursor: Any, kind: str, severity: str, sql: str, parameters: dict[str, Any], message: str) -> Finding:
    cursor.execute(sql, parameters)
    rows = cursor.fetchall()
    problems = [
        {"line": line, "code": kind, "message": message % {"line": line, "other": other}} for line, other, _n in rows
    ]
    return Finding(kind, severity, rows[0][2] if rows else 0, problems)
