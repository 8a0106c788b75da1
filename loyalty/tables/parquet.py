"""Parquet: texts, numbers, dates, moments, yes or no; lists and structs as JSON.

Texts come as dictionaries, whose size is looked at before they are written out: a few bytes of such a file can stand
for gigabytes.
"""

from collections.abc import Iterator

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from loyalty import storable
from loyalty.tables.problem import Problems, TableTooLarge, damaged, refusal
from loyalty.tables.shape import MOST_CELL, MOST_EXACT, ROWS, Batch, Column, columns
from loyalty.tables.source import Source

# Of the texts of one column in one batch.
MOST_TEXT = 256 << 20
# What the reader comes up with for damaged files, names that are no UTF-8 and days beyond the calendar among them.
DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)


def batches(source: Source, problems: Problems) -> Iterator[Batch]:
    file = source.whole()
    try:
        schema = pq.read_schema(file)
        file.seek(0)
        texts = [field.name for field in schema if _is_text(field.type)]
        table = pq.ParquetFile(file, read_dictionary=texts, thrift_string_size_limit=10_000_000)
    except DAMAGED as error:
        raise damaged(source.name, error) from error
    found = columns(schema.names)
    _check_types(schema)
    if not table.metadata.num_rows:
        raise refusal("no_rows", name=source.name)
    kinds = tuple(
        Column(column.name, is_json=pa.types.is_nested(field.type)) for column, field in zip(found, schema, strict=True)
    )
    return _batches(source, table, kinds, problems)


def _batches(source: Source, table: pq.ParquetFile, kinds: tuple[Column, ...], problems: Problems) -> Iterator[Batch]:
    row = 1
    read = table.iter_batches(batch_size=ROWS, use_threads=False)
    while True:
        try:
            batch = next(read, None)
            if batch is None:
                return
            rows = _Rows(row, len(batch), problems)
            values = tuple(rows.texts(kind, array) for kind, array in zip(kinds, batch.columns, strict=True))
        except DAMAGED as error:
            raise damaged(source.name, error) from error
        row += len(batch)
        lines = pa.array(range(rows.first, row), pa.int64())
        if rows.is_bad:
            kept = pa.array([line not in rows.is_bad for line in range(rows.first, row)])
            lines, values = lines.filter(kept), tuple(one.filter(kept) for one in values)
        if len(lines):
            yield Batch(kinds, lines, values)


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def _check_types(schema: pa.Schema) -> None:
    for field in schema:
        type_ = field.type
        while pa.types.is_dictionary(type_):
            type_ = type_.value_type
        is_read = (
            _is_text(type_)
            or pa.types.is_integer(type_)
            or pa.types.is_floating(type_)
            or pa.types.is_decimal(type_)
            or pa.types.is_boolean(type_)
            or pa.types.is_date(type_)
            or pa.types.is_timestamp(type_)
            or pa.types.is_null(type_)
            or pa.types.is_nested(type_)
        )
        if not is_read:
            raise refusal("unsupported_column", column=field.name, type=str(type_))


class _Rows:
    """One batch's rows, as texts."""

    def __init__(self, first: int, count: int, problems: Problems) -> None:
        self.first, self.count, self.problems = first, count, problems
        self.is_bad: set[int] = set()

    def refuse(self, place: int, code: str, **parameters: object) -> None:
        if self.first + place not in self.is_bad:
            self.problems.add(self.first + place, code, **parameters)
        self.is_bad.add(self.first + place)

    def texts(self, column: Column, array: pa.Array) -> pa.Array:
        if column.is_json:
            return self._json(column, array)
        if pa.types.is_dictionary(array.type):
            array = self._written_out(array)
        if pa.types.is_timestamp(array.type) and array.type.tz:
            # As text with a Z, whatever zone it is shown in.
            array = self._in_microseconds(array, "UTC")
        elif pa.types.is_timestamp(array.type):
            array = self._in_microseconds(array, None)
        if pa.types.is_date64(array.type):
            array = array.cast(pa.date32())
        if pa.types.is_floating(array.type):
            self._refuse_inexact(column, array)
        texts = array.cast(pa.string())
        if _is_text(array.type):
            self._check(texts)
        if pa.types.is_timestamp(array.type) and not array.type.tz:
            # A day, as a spreadsheet's: pandas has no other.
            texts = pc.replace_substring_regex(texts, r" 00:00:00\.0+$", "")
        return pc.fill_null(texts, "")

    def _in_microseconds(self, array: pa.Array, zone: str | None) -> pa.Array:
        """Leave out nanoseconds, which PostgreSQL has not. pandas writes them whether or not they are there."""
        return array.cast(pa.timestamp("us", zone), safe=array.type.unit != "ns")

    def _refuse_inexact(self, column: Column, array: pa.Array) -> None:
        is_inexact = pc.greater_equal(pc.abs(array.cast(pa.float64())), float(MOST_EXACT))
        if pc.any(is_inexact).as_py():
            for place, value in enumerate(array.to_pylist()):
                if value is not None and MOST_EXACT <= abs(value) < float("inf"):
                    self.refuse(place, "number_not_exact", column=column.name, value=repr(value))

    def _written_out(self, array: pa.DictionaryArray) -> pa.Array:
        values = array.dictionary
        if _is_text(values.type):
            lengths = pc.binary_length(values.cast(pa.large_string()))
            if (pc.max(lengths).as_py() or 0) > MOST_CELL:
                self._too_long(lengths.take(array.indices))
                # An empty text stands where none can be kept: those rows are in no batch.
                values = pc.if_else(pc.less_equal(lengths, MOST_CELL), values.cast(pa.string()), "")
                lengths = pc.binary_length(values)
            if (pc.sum(lengths.take(array.indices)).as_py() or 0) > MOST_TEXT:
                raise TableTooLarge(_("The file unpacks to texts that are too large. Save it as CSV and split it."))
        return values.take(array.indices)

    def _too_long(self, lengths: pa.Array) -> None:
        for place, length in enumerate(lengths.to_pylist()):
            if length is not None and length > MOST_CELL:
                self.refuse(place, "cell_too_long", most=MOST_CELL)

    def _check(self, texts: pa.Array) -> None:
        """Note what PostgreSQL would refuse: Parquet promises UTF-8, and nobody has looked yet."""
        lengths = pc.binary_length(texts)
        if (pc.max(lengths).as_py() or 0) > MOST_CELL:
            self._too_long(lengths)
        try:
            texts.validate(full=True)
        except pa.ArrowInvalid:
            raw = texts.cast(pa.binary()).to_pylist()
            for place, value in enumerate(raw):
                try:
                    (value or b"").decode()
                except UnicodeDecodeError:
                    self.refuse(place, "not_utf8")
            return
        if pc.any(pc.match_substring(texts, "\0")).as_py():
            for place, value in enumerate(texts.to_pylist()):
                if value and "\0" in value:
                    self.refuse(place, "unstorable_character")

    def _json(self, column: Column, array: pa.Array) -> pa.Array:
        written: list[str | None] = []
        for place, value in enumerate(array.to_pylist()):
            if isinstance(value, list) and pa.types.is_map(array.type):
                value = {str(key): entry for key, entry in value}
            if found := storable.problems(value, place=column.name):
                self.refuse(place, "unstorable_value", column=found[0][0], cause=found[0][2])
                value = None
            text = orjson.dumps(value, default=str).decode()
            if len(text) > MOST_CELL:
                self.refuse(place, "cell_too_long", most=MOST_CELL)
                text = "null"
            written.append(text)
        return pa.array(written, pa.string())
