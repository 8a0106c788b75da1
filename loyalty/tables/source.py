"""The bytes of a file, in blocks, up to a limit."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from django.utils.translation import gettext as _

from loyalty.tables.problem import TableTooLarge
from loyalty.tables.shape import BLOCK


class Source:
    """A file that is read once, from where it stands."""

    def __init__(self, file: BinaryIO, name: str, most: int) -> None:
        self.file, self.name, self.most = file, name, most
        self._head = file.read(BLOCK)

    def peek(self) -> bytes:
        """Return the first block, which `blocks` will yield again."""
        return self._head

    def blocks(self) -> Iterator[bytes]:
        """Yield the file's bytes without a byte order mark of UTF-8. Raises TableTooLarge past the limit."""
        size = 0
        block = self._head
        while block:
            size += len(block)
            self.check(size)
            yield block.removeprefix(codecs.BOM_UTF8) if size == len(block) else block
            block = self.file.read(BLOCK)

    def whole(self) -> BinaryIO:
        """Return the file at its beginning, for formats that read it here and there. Raises TableTooLarge."""
        self.check(self.file.seek(0, 2))
        self.file.seek(0)
        return self.file

    def check(self, size: int) -> None:
        if size > self.most:
            most = f"{self.most:,}"
            raise TableTooLarge(
                _("“%(name)s” has more than %(most)s bytes. Split it.") % {"name": self.name, "most": most},
                limit=self.most,
            )
