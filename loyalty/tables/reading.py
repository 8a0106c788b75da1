"""Which format a file is of, by its name and its first bytes, and its reader."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from loyalty.tables.problem import Problems, TableTooLarge, refusal
from loyalty.tables.shape import Batch
from loyalty.tables.source import Source

ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
    ".xlsx": "xlsx",
}  # fmt: skip
# UTF-32 first: its little-endian mark begins with that of UTF-16.
ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16 (“Unicode”)", codecs.BOM_UTF16_BE: "UTF-16 (“Unicode”)",
}  # fmt: skip
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!")
ZIP, COMPOUND, PARQUET = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PAR1"


@dataclass(frozen=True, slots=True)
class Table:
    """A file that is being read."""

    file_name: str
    format: str
    batches: Iterator[Batch]
    problems: Problems

    @property
    def unit(self) -> str:
        """Say what its rows are counted in."""
        return _("line") if self.format in ("csv", "jsonl") else _("row")


def read(*, file: IO[bytes], file_name: str, problems: Problems) -> Table:
    """Return the table in a file, to be drawn batch by batch.

    Raises InvalidTable for what is none, TableTooLarge above TABLE_FILE_MAX_BYTES; both also while batches are drawn.
    """
    name = PurePath(file_name).name[:200] or "?"
    source = Source(file, name, settings.TABLE_FILE_MAX_BYTES)
    format_ = _format(source.peek(), name)
    return Table(name, format_, _counted(_batches(format_, source, problems), name), problems)


def _batches(format_: str, source: Source, problems: Problems) -> Iterator[Batch]:
    # They bring Arrow, whose 50 MB a process that reads no table does not need.
    from loyalty.tables import delimited, jsonl, parquet, xlsx

    readers = {"csv": delimited.batches, "jsonl": jsonl.batches, "parquet": parquet.batches, "xlsx": xlsx.batches}
    return readers[format_](source, problems)


def _format(head: bytes, name: str) -> str:
    """Say which format it is, or refuse it."""
    if not head:
        raise refusal("empty_file", name=name)
    by_name = ENDINGS.get(PurePath(name).suffix.lower())
    by_content = _content(head, name, by_name)
    if by_name is None:
        raise refusal("unknown_format", name=name)
    if by_content not in (None, by_name):
        raise refusal("name_and_content_differ", name=name, content=by_content)
    if by_name in ("parquet", "xlsx") and by_content is None:
        raise refusal("name_and_content_differ", name=name, content=_("something else"))
    return by_name


def _content(head: bytes, name: str, by_name: str | None) -> str | None:
    """Say what the first bytes say; None for plain text, which may be any."""
    if head.startswith(PACKED):
        raise refusal("compressed", name=name)
    if head.startswith(COMPOUND):
        raise refusal("encrypted_or_old", name=name)
    if head.startswith(ZIP):
        if by_name != "xlsx":
            raise refusal("compressed", name=name)
        return "xlsx"
    if head.startswith(PARQUET):
        return "parquet"
    for mark, encoding in ENCODINGS.items():
        if head.startswith(mark):
            raise refusal("wrong_encoding", name=name, encoding=encoding)
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise refusal("empty_file", name=name)
    # Every second byte of plain text in UTF-16 without a mark is a NUL.
    if text[:200].count(b"\0") > len(text[:200]) // 4:
        raise refusal("wrong_encoding", name=name, encoding=_("UTF-16, or no text at all"))
    if by_name == "jsonl" and text.startswith(b"["):
        raise refusal("one_json_array", name=name)
    return None


def _counted(batches: Iterator[Batch], name: str) -> Iterator[Batch]:
    """Hand the batches on, up to the most rows that a table may have."""
    rows = 0
    for batch in batches:
        rows += len(batch)
        if rows > settings.TABLE_FILE_MAX_ROWS:
            most = f"{settings.TABLE_FILE_MAX_ROWS:,}"
            raise TableTooLarge(_("“%(name)s” has more than %(most)s rows. Split it.") % {"name": name, "most": most})
        yield batch
