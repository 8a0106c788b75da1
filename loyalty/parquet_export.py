"""Parquet files, written part by part while they are sent: the half of `table_export` that needs Arrow."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet

from loyalty.table_export import Column, Kind

# A row group: columns of so many values are compressed together, and no more is in memory.
PART = 5_000
TYPES: dict[Kind, pyarrow.DataType] = {
    "text": pyarrow.string(),
    "number": pyarrow.int64(),
    "moment": pyarrow.timestamp("us", tz="UTC"),
}


class _Sink:
    """A file that is only written to, and hands on what was written since it was last asked."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        part = bytes(data)
        self.parts.append(part)
        self.size += len(part)
        return len(part)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        part = b"".join(self.parts)
        self.parts.clear()
        return part


def written(columns: Sequence[Column], lines: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield the file of lines that hold a value a column."""
    schema = pyarrow.schema([pyarrow.field(column.name, TYPES[column.kind]) for column in columns])
    sink = _Sink()
    with pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in _parts(lines):
            values = zip(*part, strict=True)
            arrays = [
                pyarrow.array([_text(column, value) for value in column_values], type=TYPES[column.kind])
                for column, column_values in zip(columns, values, strict=True)
            ]
            writer.write_table(pyarrow.table(arrays, schema=schema))
            yield sink.taken()
    yield sink.taken()


def of_csv(columns: Sequence[Column], parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the file of lines that the database wrote as CSV without a head."""
    schema = pyarrow.schema([pyarrow.field(column.name, TYPES[column.kind]) for column in columns])
    reading = pyarrow.csv.ReadOptions(column_names=schema.names, use_threads=False)
    # An id may hold whatever a cell may; what the database left out, and nothing else, is null.
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    converting = pyarrow.csv.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    sink = _Sink()
    with pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in parts:
            source = pyarrow.BufferReader(part)
            writer.write_table(pyarrow.csv.read_csv(source, reading, parsing, converting))
            yield sink.taken()
    yield sink.taken()


def _text(column: Column, value: Any) -> Any:
    return str(value) if column.kind == "text" and value is not None else value


def _parts(lines: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    every = iter(lines)
    while part := list(islice(every, PART)):
        yield part
