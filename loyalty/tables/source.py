"""The bytes of a file, in blocks, up to a limit."""

import codecs
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from loyalty.tables.problem import TableTooLarge
from loyalty.tables.shape import BLOCK


@contextmanager
def joined(parts: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """Put a file together again, at its beginning; beyond FILE_UPLOAD_MAX_MEMORY_SIZE it lies on disk meanwhile."""
    with tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE) as file:
        for part in parts:
            file.write(part)
        file.seek(0)
        yield file


class Source:
    """A file that is read once, from where it stands."""

    def __init__(self, file: IO[bytes], name: str, most: int) -> None:
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

    def whole(self) -> IO[bytes]:
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
