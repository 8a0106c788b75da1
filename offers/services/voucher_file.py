"""Reading a file of voucher codes: one code a line, UTF-8, every problem with its line (S4-18..20, B-17).

Works on blocks of whole lines, so that memory stays the same for 500,000 codes, and looks at single lines only in a
block that has a problem.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.errors import DomainError, InvalidInput

MOST_CHARACTERS = 100
BLOCK = 1 << 18
# A file with more problems of a kind than this is not repaired by hand: the rest is counted only.
MOST_PROBLEMS = 100
# What stands in a first line that is no code.
HEADERS = {"code", "codes", "voucher", "vouchers", "voucher code", "voucher codes", "voucher_code", "voucher_codes"}
HEADERS |= {"code,expires_at", "code;expires_at"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class InvalidVoucherFile(InvalidInput):
    """The file is not acceptable and nothing of it was written; `problems` names each line."""

    code = "invalid_voucher_file"


class VoucherFileTooLarge(DomainError):
    """The file is above the limit of S4-19."""

    code = "voucher_file_too_large"
    status = 413


@dataclass
class Reading:
    """What has been read so far: problems, which refuse the file, and notes, which do not."""

    lines: int = 0
    headers: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def codes(self) -> int:
        """Return how many lines should have a code."""
        return self.lines - self.headers

    @property
    def problem_count(self) -> int:
        return self.counts.total()

    def add(self, line: int, code: str, message: str) -> None:
        """Note a problem of a line; `line` 0 means the whole file. Every one is counted, the first of a kind listed."""
        self.counts[code] += 1
        if self.counts[code] <= MOST_PROBLEMS:
            self.problems.append({"line": line or None, "code": code, "message": message})

    def refuse(self) -> None:
        """Raise InvalidVoucherFile when there was any problem."""
        if not self.counts:
            return
        count = self.problem_count
        message = ngettext(
            "The file has %(count)d problem. No code was imported.",
            "The file has %(count)d problems. No code was imported.",
            count,
        ) % {"count": count}
        raise InvalidVoucherFile(
            message,
            problems=self.problems,
            problem_count=count,
            more=count - len(self.problems),
            counts=dict(self.counts),
        )


def check_name(file_name: str) -> None:
    """Refuse a file that is neither a .txt (S4-18) nor a .csv with an expiry for each code."""
    if file_name and not file_name.lower().endswith((".txt", ".csv")):
        message = _(
            "“%(name)s” is neither a .txt nor a .csv file. Save the codes as plain text, one a line, with the ending "
            ".txt."
        )
        message %= {"name": file_name}
        raise InvalidVoucherFile(message, problems=[{"line": None, "code": "not_txt", "message": message}])


def check_size(size: int) -> None:
    """Refuse a file above the limit (S4-19)."""
    if size > settings.VOUCHER_FILE_MAX_BYTES:
        raise VoucherFileTooLarge(
            _("The file has more than %(limit)s bytes (25 MB). Split it and import the parts one after another.")
            % {"limit": f"{settings.VOUCHER_FILE_MAX_BYTES:,}"},
            limit=settings.VOUCHER_FILE_MAX_BYTES,
        )


def blocks(file: IO[bytes], reading: Reading) -> Iterator[list[str] | list[str | None]]:
    """Yield the codes of the file in lists, line by line, None for a line with a problem; note lines and problems.

    A final newline is not a blank line. Raises VoucherFileTooLarge as soon as the limit is passed.
    """
    for data in whole_lines(file, reading):
        decoded = _decoded(data)
        codes: list[str] | list[str | None]
        codes = decoded if decoded is not None and is_clean(decoded) else _examine(data, reading)
        if not reading.lines and codes[0] and codes[0].lower() in HEADERS:
            message = _("Line 1 looks like a header. It is taken for a code; remove it if it is none.")
            reading.notes.append({"line": 1, "code": "header", "message": message})
        reading.lines += len(codes)
        yield codes
    if not reading.lines and not reading.counts:
        reading.add(0, "empty_file", _("The file is empty. Give one code a line."))


def whole_lines(file: IO[bytes], reading: Reading) -> Iterator[bytes]:
    """Yield the file's bytes in blocks that end with a line, without a UTF-8 byte order mark."""
    size, rest, is_first = 0, b"", True
    while block := file.read(BLOCK):
        size += len(block)
        check_size(size)
        if is_first:
            is_first = False
            if block.startswith(UTF_16_MARKS):
                reading.add(0, "utf_16", _("The file is UTF-16 (“Unicode”). Save it as UTF-8 and import it again."))
                return
            if block.startswith(BYTE_ORDER_MARK):
                block = block.removeprefix(BYTE_ORDER_MARK)
                message = _("The file begins with a byte order mark. It is left out; the first code comes without it.")
                reading.notes.append({"line": 1, "code": "byte_order_mark", "message": message})
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += block
    if rest:
        yield rest


def _decoded(data: bytes) -> list[str] | None:
    """Return the block's lines without their ends, or None where it is not UTF-8."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text.removesuffix("\n").replace("\r\n", "\n").removesuffix("\r" if text.endswith("\n") else "\n").split("\n")


def is_clean(codes: list[str]) -> bool:
    """Say whether every code of the block is acceptable, at the speed of a few passes in C."""
    joined = "\n".join(codes)
    return (
        min(map(len, codes)) > 0
        and max(map(len, codes)) <= MOST_CHARACTERS
        and "".join(codes).isprintable()
        and " \n" not in joined
        and "\n " not in joined
        and joined[0] != " "
        and joined[-1] != " "
    )


def _examine(data: bytes, reading: Reading) -> list[str | None]:
    """Note what is wrong with each line of a block; return the codes of the lines with nothing wrong."""
    lines = data.split(b"\n")
    has_end = not lines[-1]
    if has_end:
        # What follows the block's last newline is not a line.
        lines.pop()
    codes: list[str | None] = []
    for number, raw in enumerate(lines, start=reading.lines + 1):
        is_last = number == reading.lines + len(lines)
        line = raw.removesuffix(b"\r") if has_end or not is_last else raw
        found = problem(line)
        if found:
            code, message = found
            reading.add(number, code, message % {"line": number})
        codes.append(None if found else line.decode())
    return codes


def problem(raw: bytes) -> tuple[str, str] | None:
    """Return the code and the sentence of what is wrong with a line, or None."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        sentence = _("Line %%(line)d is not UTF-8 (byte %(byte)s). Save the file as UTF-8 and import it again.")
        return "not_utf_8", sentence % {"byte": f"0x{raw[error.start]:02X}"}
    if not text.strip():
        return "blank", _("Line %(line)d is blank. Remove it and import the file again.")
    if "\0" in text:
        return "nul", _("Line %(line)d contains a NUL character. Save the file as plain text in UTF-8.")
    if "\r" in text:
        return "carriage_return", _(
            "Line %(line)d contains a carriage return without a line feed. End each line with LF or CRLF."
        )
    if "\t" in text:
        return "tab", _("Line %(line)d contains a tab. Separate columns by a comma, or give one code a line.")
    if len(text) > MOST_CHARACTERS:
        sentence = _("Line %%(line)d has %(length)d characters. A code has at most %(limit)d: shorten or remove it.")
        return "too_long", sentence % {"length": len(text), "limit": MOST_CHARACTERS}
    if text != text.strip():
        return "space_around", _("Line %(line)d begins or ends with a space. Remove the space.")
    if not text.isprintable():
        hidden = next(character for character in text if not character.isprintable())
        sentence = _("Line %%(line)d contains an invisible character (%(character)s). Remove it.")
        return "invisible", sentence % {"character": f"U+{ord(hidden):04X}"}
    return None
