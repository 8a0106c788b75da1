"""Row C: importing files of a million members, and of attributes of members that are there.

The limit is one binary COPY of the finished rows, sorted, into the same indexed table (for attributes: of the rows with
their new attributes into the emptied table). The finished rows are what our own import wrote, so both write the same.
"""

import io
import time
from collections.abc import Callable, Iterator

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from django.db import connection, transaction

from loyalty import clock
from loyalty.models import AttributeDefinition, Member, MemberImport, Programme
from loyalty.services import member_import
from tests.benchmarks import harness, planting

MEMBERS = 1_000_000
BY_ORM = 2_000
COPIED = [field.column for field in Member._meta.concrete_fields if field.column != "id"]


def run(*, n: int = MEMBERS, repeats: int = 5) -> None:
    """Measure the limit and the three formats in turn, then attributes, each from the same beginning."""
    programme = planting.programme()
    _define(programme)
    harness.execute("TRUNCATE loyalty_member CASCADE")
    table = _table(n)
    files = {"CSV": ("members.csv", _csv(table)), "Parquet": ("members.parquet", _parquet(table))}
    files["JSONL"] = ("members.jsonl", _jsonl(table))
    _import(programme, *files["CSV"])
    finished = _copied_out()
    ways: dict[str, Callable[[], float]] = {"limit": lambda: _limit(finished)}
    for name, file in files.items():
        ways[name] = lambda file=file: _into_empty(programme, file)
    seconds = harness.interleaved(ways, repeats=repeats)
    middle = {name: harness.median(values) for name, values in seconds.items()}
    orm = _orm(programme, table)
    for name in files:
        _say(f"C import of members, {name}", n, middle[name], middle["limit"], orm)
    _attributes(programme, n, repeats, finished, orm)


def _attributes(programme: Programme, n: int, repeats: int, finished: bytes, orm: float) -> None:
    first = b"external_id,points,favourites\n"
    content = first + b"".join(b"M-%08d,%d,coffee|tea\n" % (number, number % 1000) for number in range(n))
    _limit(finished)
    _import(programme, "attributes.csv", content)
    changed = _copied_out()

    def ours() -> float:
        _limit(finished)
        harness.execute("VACUUM ANALYZE loyalty_member")
        harness.settle()
        return _import(programme, "attributes.csv", content)

    seconds = harness.interleaved({"limit": lambda: _limit(changed), "ours": ours}, repeats=repeats)
    middle = {name: harness.median(values) for name, values in seconds.items()}
    _say("C import of attributes", n, middle["ours"], middle["limit"], orm)


def _say(name: str, n: int, ours: float, limit: float, orm: float) -> None:
    harness.report(name, n=n, seconds=ours, ratio_to_limit=ours / limit, ratio_to_orm=orm * n / ours)


def _orm(programme: Programme, table: pa.Table) -> float:
    """Return the seconds that the usual way takes for one member: looked up and saved by herself."""
    harness.execute("TRUNCATE loyalty_member CASCADE")
    rows = table.slice(0, BY_ORM).to_pylist()
    begun = time.perf_counter()
    for row in rows:
        attributes = {"segment": row.pop("segment"), "children": int(row.pop("children"))}
        defaults = {**row, "email_key": row["email"], "phone_key": row["phone"], "attributes": attributes}
        key = defaults.pop("external_id")
        Member.objects.update_or_create(programme=programme, external_id=key, defaults=defaults)
    return (time.perf_counter() - begun) / len(rows)


def _define(programme: Programme) -> None:
    for name, kind in (("segment", "text"), ("children", "number"), ("points", "number"), ("favourites", "list")):
        AttributeDefinition.objects.get_or_create(
            programme=programme, name=name, defaults={"type": kind, "label": name.capitalize()}
        )


def _table(n: int) -> pa.Table:
    """Return members in no order, each as a file would have her."""
    numbers = [(number * 7_919) % n for number in range(n)]
    assert len(set(numbers)) == n
    return pa.table(
        {
            "external_id": [f"M-{number:08}" for number in numbers],
            "first_name": [f"First{number % 997}" for number in numbers],
            "last_name": [f"Last{number % 9_973}" for number in numbers],
            "email": [f"member{number}@example.com" for number in numbers],
            "phone": [f"+1555{number % 10_000_000:07}" for number in numbers],
            "birth_date": [f"{1940 + number % 60}-{1 + number % 12:02}-{1 + number % 28:02}" for number in numbers],
            "gender": ["female" if number % 2 else "male" for number in numbers],
            "city": [f"City {number % 97}" for number in numbers],
            "country": ["US"] * n,
            "language": ["en"] * n,
            "tier": [("bronze", "silver", "gold")[number % 3] for number in numbers],
            "joined_at": [f"20{10 + number % 15}-03-{1 + number % 28:02}T10:00:00+00:00" for number in numbers],
            "segment": [("family", "single", "senior")[number % 3] for number in numbers],
            "children": [str(number % 4) for number in numbers],
        }
    )


def _csv(table: pa.Table) -> bytes:
    into = io.BytesIO()
    pa_csv.write_csv(table, into, pa_csv.WriteOptions(quoting_style="none"))
    return into.getvalue().replace(b'"', b"")


def _parquet(table: pa.Table) -> bytes:
    into = io.BytesIO()
    pq.write_table(table, into)
    return into.getvalue()


def _jsonl(table: pa.Table) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for batch in table.to_batches(50_000) for row in batch.to_pylist())


def _into_empty(programme: Programme, file: tuple[str, bytes]) -> float:
    harness.execute("TRUNCATE loyalty_member CASCADE")
    harness.settle()
    return _import(programme, *file)


def _import(programme: Programme, name: str, content: bytes) -> float:
    """Import a file that was received: the upload is not measured, on either side."""
    now = clock.now()
    made = member_import.receive(
        programme=programme, file=io.BytesIO(content), file_name=name, wish=MemberImport.Wish.IMPORT, now=now
    )
    begun = time.perf_counter()
    member_import.work(import_id=made.pk, now=now)
    seconds = time.perf_counter() - begun
    made.refresh_from_db()
    assert made.state == MemberImport.State.FINISHED, made.state
    return seconds


def _copied_out() -> bytes:
    """Return the rows as binary COPY writes them, in the order of the unique index."""
    into = io.BytesIO()
    sql = f"COPY (SELECT {', '.join(COPIED)} FROM loyalty_member ORDER BY external_id) TO STDOUT (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        for data in copy:
            into.write(data)
    return into.getvalue()


def _limit(finished: bytes) -> float:
    harness.execute("TRUNCATE loyalty_member CASCADE")
    harness.settle()

    def pieces() -> Iterator[bytes]:
        for first in range(0, len(finished), 1 << 20):
            yield finished[first : first + (1 << 20)]

    def copy() -> None:
        sql = f"COPY loyalty_member ({', '.join(COPIED)}) FROM STDIN (FORMAT binary)"
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(sql) as target:
            for piece in pieces():
                target.write(piece)

    return harness.stopwatch(copy)
