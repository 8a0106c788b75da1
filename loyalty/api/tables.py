"""Tables as request bodies: CSV, JSONL, Parquet and XLSX, received whole before anything is locked or read."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, Self

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from loyalty.tables import TableTooLarge

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Upload:
    """A table that came as a body; a context manager that closes its file. Its name says the format."""

    file: IO[bytes]
    file_name: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.file.close()


def spooled(stream: IO[bytes], request: Request, check_size: Callable[[int], None]) -> IO[bytes]:
    """Return the request's body as a file at its beginning: beyond FILE_UPLOAD_MAX_MEMORY_SIZE on disk.

    `check_size` is asked with the length that was announced and with what came so far; it raises what refuses it.
    Whoever gets the file closes it.
    """
    check_size(int(request.META.get("CONTENT_LENGTH") or 0))
    with ExitStack() as on_failure:
        file = on_failure.enter_context(tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE))
        size = 0
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            check_size(size)
            file.write(chunk)
        file.seek(0)
        on_failure.pop_all()
    return file


def _check_size(size: int) -> None:
    if size > settings.TABLE_FILE_MAX_BYTES:
        message = _("The file has more than %(most)d bytes. Split it.") % {"most": settings.TABLE_FILE_MAX_BYTES}
        raise TableTooLarge(message)


class TableParser(BaseParser):
    """Receives a CSV file; the others of `TABLE_PARSERS` their formats. The view's data is an Upload."""

    media_type = "text/csv"
    ending = "csv"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return Upload(spooled(stream, (parser_context or {})["request"], _check_size), f"body.{self.ending}")


class JsonLinesParser(TableParser):
    media_type = "application/x-ndjson"
    ending = "jsonl"


class ParquetParser(TableParser):
    media_type = "application/vnd.apache.parquet"
    ending = "parquet"


class WorkbookParser(TableParser):
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    ending = "xlsx"


TABLE_PARSERS: list[type[BaseParser]] = [TableParser, JsonLinesParser, ParquetParser, WorkbookParser]
