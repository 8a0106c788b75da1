"""XLSX: the first sheet; its first row that is not empty is the header.

The reader keeps a sheet whole, as a rectangle from its first to its last cell: so what it unpacks to, and how far its
cells reach, is looked at first. A few bytes of XML can name a cell sixteen thousand columns away.
"""

import datetime
import lzma
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa
import python_calamine
from django.conf import settings
from django.utils.translation import gettext as _

from loyalty import storable
from loyalty.tables.problem import Problems, TableTooLarge, damaged, refusal
from loyalty.tables.shape import MOST_CELL, MOST_EXACT, ROWS, Batch, columns
from loyalty.tables.source import Source

MOST_FILES = 2000
MOST_CELLS = 20_000_000
REFERENCE = re.compile(rb"""\br=["']([A-Za-z]{0,3})([0-9]{1,7})["']""")
# A formula that failed, such as a lookup that found nothing: the reader would hand on an empty cell.
FAILED = re.compile(rb"""<c\b(?=[^>]*\bt=["']e["'])[^>]*\br=["']([A-Za-z]{1,3})([0-9]{1,7})["']""")
SHEET = re.compile(rb"""<(?:\w+:)?sheet\b[^>]*\br:id=["']([^"']+)["']""")
LINK = re.compile(rb"<Relationship\b[^>]*>")
ATTRIBUTE = re.compile(rb"""(\w+)=["']([^"']*)["']""")
STEP = 1 << 20
# What the reader of archives comes up with for damaged ones: no archive, a packing that it does not know, an end that
# is missing, offsets outside the file, a password, an entry that cannot be unpacked, names and sizes that are none.
DAMAGED = (
    zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, zlib.error, lzma.LZMAError, ValueError,
)  # fmt: skip


def batches(source: Source, problems: Problems) -> Iterator[Batch]:
    file = source.whole()
    failed = _check_archive(file, source.name)
    file.seek(0)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(file)
        sheet = book.get_sheet_by_index(0)
    except python_calamine.PasswordError as error:
        raise refusal("encrypted_or_old", name=source.name) from error
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise damaged(source.name, error) from error
    return _batches(source.name, sheet, failed, problems)


def _check_archive(file: IO[bytes], name: str) -> dict[int, str]:
    """Return by row a cell of the first sheet whose formula failed. Raises InvalidTable, TableTooLarge.

    What would not fit into memory once it is unpacked is refused.
    """
    failed: dict[int, str] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            found = archive.infolist()
            # What an entry says of its size is checked by whoever unpacks it, here and in the reader.
            if len(found) > MOST_FILES or sum(one.file_size for one in found) > settings.XLSX_MAX_BYTES:
                raise _too_large(name)
            if any(one.flag_bits & 1 for one in found):
                raise refusal("encrypted_or_old", name=name)
            first = _first_sheet(archive)
            for one in found:
                if one.filename.startswith("xl/worksheets/") and one.filename.endswith(".xml"):
                    in_sheet = _check_sheet(archive, one, name)
                    failed = in_sheet if one.filename == first else failed
    except DAMAGED as error:
        raise damaged(name, error) from error
    return failed


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Return the first sheet's place in the archive; nothing where the book does not say."""
    try:
        book, links = archive.read("xl/workbook.xml"), archive.read("xl/_rels/workbook.xml.rels")
    except KeyError:
        return ""
    sheet = SHEET.search(book)
    for link in LINK.findall(links) if sheet else []:
        named = dict(ATTRIBUTE.findall(link))
        if sheet and named.get(b"Id") == sheet[1]:
            return posixpath.normpath(posixpath.join("/xl", named.get(b"Target", b"").decode())).removeprefix("/")
    return ""


def _check_sheet(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> dict[int, str]:
    """Return by row a cell whose formula failed; refuse a sheet whose cells lie too far apart."""
    failed: dict[int, str] = {}
    rows = wide = 0
    with archive.open(entry) as sheet:
        rest = b""
        while data := sheet.read(STEP):
            for letters, number in REFERENCE.findall(rest + data):
                rows = max(rows, int(number))
                wide = max(wide, _place(letters))
            if b'"e"' in data or b"'e'" in data:
                for letters, number in FAILED.findall(rest + data):
                    failed.setdefault(int(number), (letters + number).decode())
            # No cell's tag is longer.
            rest = data[-200:]
    if rows * wide > MOST_CELLS:
        raise _too_large(name)
    return failed


def _place(letters: bytes) -> int:
    place = 0
    for letter in letters.upper():
        place = place * 26 + letter - 64
    return place


def _too_large(name: str) -> TableTooLarge:
    most = f"{settings.XLSX_MAX_BYTES:,}"
    message = _("“%(name)s” is too large for a spreadsheet (%(most)s bytes unpacked). Save it as CSV.")
    return TableTooLarge(message % {"name": name, "most": most})


def _batches(
    name: str, sheet: python_calamine.CalamineSheet, failed: Mapping[int, str], problems: Problems
) -> Iterator[Batch]:
    rows = ((line, row) for line, row in enumerate(sheet.iter_rows(), start=1) if any(_is_given(one) for one in row))
    header = next(rows, None)
    if header is None:
        raise refusal("empty_file", name=name)
    names = [_text(cell).strip() for cell in header[1]]
    while names and not names[-1]:
        names.pop()
    found = columns(names)
    kept, lines = [], []
    count = 0
    for line, row in rows:
        if line in failed:
            problems.add(line, "cell_with_error", cell=failed[line])
            continue
        cells = _cells(row, line, names, problems)
        if cells is not None:
            kept.append(cells)
            lines.append(line)
        if len(kept) == ROWS:
            yield _batch(found, lines, kept)
            count += len(kept)
            kept, lines = [], []
    if kept:
        yield _batch(found, lines, kept)
    elif not count and not problems.count:
        problems.no_rows(name, names)


def _batch(found: Any, lines: list[int], kept: list[list[str]]) -> Batch:
    values = tuple(pa.array(column, pa.string()) for column in zip(*kept, strict=True))
    return Batch(found, pa.array(lines, pa.int64()), values)


def _cells(row: list[Any], line: int, names: Sequence[str], problems: Problems) -> list[str] | None:
    needed = len(names)
    given = max((place for place, one in enumerate(row, start=1) if _is_given(one)), default=0)
    if given > needed:
        problems.add(line, "ragged_row", given=given, needed=needed)
        return None
    for column, one in zip(names, row, strict=False):
        if isinstance(one, float) and abs(one) >= MOST_EXACT:
            problems.add(line, "number_not_exact", column=column, value=_text(one))
            return None
    cells = [_text(one) for one in row[:needed]]
    if any(storable.UNSTORABLE.search(cell) for cell in cells):
        problems.add(line, "unstorable_character")
        return None
    if any(len(cell.encode()) > MOST_CELL for cell in cells):
        problems.add(line, "cell_too_long", most=MOST_CELL)
        return None
    return cells + [""] * (needed - len(cells))


def _is_given(cell: Any) -> bool:
    return cell is not None and cell != ""


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        # A sheet has no whole numbers.
        return str(int(cell)) if cell.is_integer() and abs(cell) < MOST_EXACT else repr(cell)
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return "" if cell is None else str(cell)
