"""A database of its own, repeats taken in turn, and one JSON object a line.

Only ratios taken in one run mean anything: the machine's speed drifts, so the ways are interleaved and the medians
compared (PERFORMANCE.md).
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection

NAME = "laurel_bench"
# The children of a bench (workers, servers) find the same database by this variable.
VARIABLE = "LAUREL_BENCH_DATABASE"


def use_database(name: str = NAME) -> None:
    """Point this process at the bench's database, or at a copy of it."""
    connection.close()
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name
    os.environ[VARIABLE] = name


def database_name() -> str:
    return str(connection.settings_dict["NAME"])


def fresh_database() -> None:
    """Make an empty, migrated database for the bench, and use it."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    parameters["dbname"] = "postgres"
    with psycopg.connect(**parameters, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME}")
    use_database()
    call_command("migrate", verbosity=0)


def copy_database(name: str) -> None:
    """Copy the bench's database as it is now; nobody else may be connected to it."""
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    connection.close()
    with psycopg.connect(**parameters, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name} TEMPLATE {NAME}")


def database_url(name: str = NAME) -> str:
    """Return the bench's database, or a copy of it, as a URL, for the servers that are measured."""
    parameters = connection.get_connection_params()
    query = {"host": parameters["host"]} | ({"port": str(parameters["port"])} if parameters.get("port") else {})
    user = quote(parameters["user"], safe="")
    password = f":{quote(parameters['password'], safe='')}" if parameters.get("password") else ""
    return f"postgresql://{user}{password}@/{name}?{urlencode(query)}"


def execute(sql: str, parameters: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def value(sql: str, parameters: Any = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


def settle() -> None:
    """Let the server write back what earlier repeats left, so that the next one does not pay for it."""
    execute("CHECKPOINT")


def interleaved(
    ways: Mapping[str, Callable[[], float]], *, repeats: int, progress: bool = True
) -> dict[str, list[float]]:
    """Run each way `repeats` times in turn and return every way's seconds; a way measures itself."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats):
        for name, way in ways.items():
            seconds[name].append(way())
            if progress:
                print(f"  {number + 1}/{repeats} {name}: {seconds[name][-1]:.3f} s", file=sys.stderr, flush=True)
    return seconds


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def stopwatch(work: Callable[[], Any]) -> float:
    """Return how many seconds `work` took."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def report(name: str, *, n: int, seconds: float, ratio_to_limit: float, ratio_to_orm: float, **more: Any) -> None:
    """Print one result as a JSON line."""
    row = {
        "name": name,
        "n": n,
        "seconds": round(seconds, 3),
        "ratio_to_limit": round(ratio_to_limit, 3),
        "ratio_to_orm": round(ratio_to_orm, 1),
    }
    print(json.dumps(row | more), flush=True)
