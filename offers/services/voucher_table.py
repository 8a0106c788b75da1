"""Reading a CSV file of codes with an expiry each: a header `code,expires_at`, then one code a line (B-17).

As for plain files memory stays the same for 500,000 lines: blocks of whole lines, and few different expiries.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from typing import IO
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from pydantic_core import PydanticCustomError

from offers.rules import moment
from offers.services.voucher_file import Reading, is_clean, problem, whole_lines

HEADER = ["code", "expires_at"]
DELIMITERS = (",", ";")
# Each expiry is a segment of the bank, and whoever draws looks at all of them.
MOST_EXPIRIES = 400
Row = tuple[str | None, str | None]
NOTHING: Row = (None, None)


def rows(file: IO[bytes], reading: Reading, *, zone: ZoneInfo, now: datetime) -> Iterator[list[Row]]:
    """Yield codes with their expiries (ISO 8601, in UTC; None: as the file's other codes) in lists, line by line.

    A date lasts to its end in `zone`; a date and time without an offset is meant there. A line with a problem, and the
    header, are rows without a code, so that each row stands at its line. Raises VoucherFileTooLarge.
    """
    table = _Table(reading, zone, now)
    for data in whole_lines(file, reading):
        lines = data.removesuffix(b"\n").split(b"\n")
        found: list[Row] = []
        if not reading.lines:
            if not table.begin(lines.pop(0)):
                return
            found.append(NOTHING)
        if lines:
            found += table.read(lines, first=reading.lines + len(found) + 1)
        reading.lines += len(found)
        yield found
    if reading.lines == reading.headers and not reading.counts:
        reading.add(0, "empty_file", _("The file is empty. Give one code a line."))


class _Table:
    """The rows of one file: its delimiter, and the expiries that were read so far."""

    def __init__(self, reading: Reading, zone: ZoneInfo, now: datetime) -> None:
        self.reading, self.zone, self.now = reading, zone, now
        self.delimiter = ""
        self.expiries: dict[str, str | None] = {"": None}

    def begin(self, raw: bytes) -> bool:
        """Read the header; without it nobody knows which column is which."""
        text = raw.decode(errors="replace").strip().lower()
        for delimiter in DELIMITERS:
            if [name.strip(' "') for name in text.split(delimiter)] == HEADER:
                self.delimiter = delimiter
                self.reading.headers = 1
                return True
        message = _(
            "Line 1 of a CSV file is the header “code,expires_at”; the codes follow, each with its expiry or none. "
            "Codes without expiries are a .txt file."
        )
        self.reading.add(1, "csv_header", message)
        return False

    def read(self, lines: list[bytes], *, first: int) -> list[Row]:
        """Return the rows of some lines, and note what is wrong with them."""
        found = [self._row(raw, number) for number, raw in enumerate(lines, start=first)]
        codes = [code for code, _expiry in found if code is not None]
        if codes and not is_clean(codes):
            found = [
                (row[0] is not None and self._examined(row[0].encode(), number)) or row
                for number, row in enumerate(found, start=first)
            ]
            # Found in two passes; told in the order of the lines.
            self.reading.problems.sort(key=lambda one: one["line"] or 0)
        return found

    def _row(self, raw: bytes, number: int) -> Row:
        """Return a line's code and expiry, the code as it stands."""
        raw = raw.removesuffix(b"\r")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return self._examined(raw, number) or NOTHING
        if not text.strip(self.delimiter + " "):
            return self._examined(b"", number) or NOTHING
        fields = self._fields(text) if '"' in text else text.split(self.delimiter)
        if fields is None or not 1 <= len(fields) <= len(HEADER):
            message = _("Line %(line)d does not have a code and an expiry. Write them as “code%(sign)s2026-12-31”.")
            return self._refuse(number, "columns", message % {"line": number, "sign": self.delimiter})
        given = fields[1].strip() if len(fields) > 1 else ""
        if given not in self.expiries and not self._learn(given, number):
            return NOTHING
        return fields[0], self.expiries[given]

    def _fields(self, text: str) -> list[str] | None:
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None

    def _learn(self, given: str, number: int) -> bool:
        """Read an expiry that was not seen before; say whether it can be kept."""
        words = {"line": number, "given": given[:40]}
        try:
            expires_at = moment.end(moment.read(given), self.zone)
        except PydanticCustomError:
            message = _(
                "Line %(line)d: “%(given)s” is no date. Write 2026-12-31 or 2026-12-31T18:00:00+01:00, "
                "in the years 1900 to 2999."
            )
            self._refuse(number, "not_a_moment", message % words)
            return False
        if expires_at <= self.now:
            message = _("Line %(line)d: the expiry %(given)s is over already. Give a later one, or remove the line.")
            self._refuse(number, "expiry_over", message % words)
            return False
        if len(self.expiries) > MOST_EXPIRIES:
            message = _("Line %(line)d has one expiry too many: a file has at most %(most)d. Use days.")
            self._refuse(number, "too_many_expiries", message % (words | {"most": MOST_EXPIRIES}))
            return False
        self.expiries[given] = expires_at.isoformat()
        return True

    def _examined(self, raw: bytes, number: int) -> Row | None:
        """Note what is wrong with a code as in a plain file; None where nothing is."""
        found = problem(raw)
        return self._refuse(number, found[0], found[1] % {"line": number}) if found else None

    def _refuse(self, number: int, code: str, message: str) -> Row:
        self.reading.add(number, code, message)
        return NOTHING
