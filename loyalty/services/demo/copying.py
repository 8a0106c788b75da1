"""From Arrow tables into PostgreSQL by COPY, never row by row."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.csv
from django.db import connection
from psycopg import sql

CSV = pyarrow.csv.WriteOptions(include_header=False)


def copy(table: pa.Table, into: str) -> None:
    """COPY the columns of `table` into the database table `into`, by their names."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(into), sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    )
    buffer = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, buffer, CSV)
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(memoryview(buffer.getvalue()))


def stage(table: pa.Table, name: str, types: Mapping[str, str]) -> None:
    """COPY `table` into a temporary table that lasts until the transaction ends; columns are text unless typed."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(types.get(column, "text")))
        for column in table.column_names
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(sql.Identifier(name), columns))
    copy(table, name)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name)))


def ids(query: str, parameters: Any = None) -> tuple[pa.Array, pa.Array]:
    """Run a query for (key, id) and return both columns as integer arrays."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        found = cursor.fetchall()
    return pa.array([int(row[0]) for row in found], pa.int64()), pa.array([row[1] for row in found], pa.int64())
