"""The servers and databases of a test session, apart from the demo's.

Every session takes a slot, so that two of one checkout do not share a database; every xdist worker has a
PostgreSQL database copied from a migrated template, and a pair of Valkey databases.
"""

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from loyalty import embedded, servers

BASE = Path(__file__).resolve().parent.parent
INSTANCE = embedded.addresses(BASE)
SLOT = "LAUREL_TEST_SLOT"
# Taken by whoever makes the template; any number that no other program uses on this server.
TEMPLATE_LOCK = 620_001


class Session:
    """What the process that the user started holds: a slot, and the servers until the last session ends."""

    def __init__(self) -> None:
        if not INSTANCE.is_throwaway:
            raise RuntimeError("Tests only ever run on the test instance: unset LAUREL_INSTANCE, or set it to test.")
        # Beside the data: a session that keeps it elsewhere has servers of its own.
        folder = INSTANCE.folder.with_name(f"{INSTANCE.folder.name}-sessions")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        with self._gate():
            for slot in range(8):
                file = (folder / f"{slot}.lock").open("w")
                if _try_lock(file):
                    self.slot = file
                    os.environ[SLOT] = str(slot)
                    break
                file.close()
            else:
                raise RuntimeError("Eight test sessions already run in this checkout.")
            servers.start(INSTANCE, which=embedded.needed())

    def close(self) -> None:
        """Give the slot back, and stop the servers when nobody else uses them."""
        with self._gate():
            self.slot.close()
            for path in self.folder.glob("?.lock"):
                with path.open("w") as file:
                    if not _try_lock(file):
                        return
            servers.stop(INSTANCE, which=embedded.needed())

    @contextmanager
    def _gate(self) -> Iterator[None]:
        # Between "nobody else uses them" and the stop no session may begin.
        with (self.folder / "gate").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def keep_bytecode() -> None:
    """Let this process and those it starts keep what they compile, under `var/` where nothing may lie by the sources.

    With PYTHONDONTWRITEBYTECODE each worker, web and command that a test starts would compile Django and all else
    anew: nine seconds of a core each time, which a test of killed workers spends many times over.
    """
    if not sys.dont_write_bytecode:
        return
    folder = os.environ.get("PYTHONPYCACHEPREFIX") or str(BASE / "var" / "bytecode")
    # Absent where `python -B` was meant.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = folder
    sys.dont_write_bytecode = False


def use_own_valkey() -> None:
    """Point the settings of this process at its own pair of Valkey databases."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = 2 * (16 * int(os.environ[SLOT]) + int(worker))
    if "valkey" in embedded.needed():
        queue, cache = INSTANCE.queue_url(first), INSTANCE.cache_url(first + 1)
    else:
        parts = urlsplit(settings.REDIS_URL)
        queue, cache = (urlunsplit(parts._replace(path=f"/{number}")) for number in (first, first + 1))
    settings.CELERY_BROKER_URL = queue
    settings.REDIS_URL = settings.CACHES["default"]["LOCATION"] = cache


def process_environment() -> dict[str, str]:
    """Return the environment for another process (a worker to kill, say) on this worker's own databases."""
    if "postgres" in embedded.needed():
        database = INSTANCE.database_url.replace("/laurel?", f"/{database_name()}?")
    else:
        database = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database_name()}"))
    return os.environ | {
        "DATABASE_URL": database,
        "REDIS_URL": settings.CELERY_BROKER_URL,
        "CACHE_URL": settings.REDIS_URL,
        "LAUREL_INSTANCE": "test",
        "LAUREL_DEMO": "0",
    }


def flush_valkey() -> None:
    """Empty this worker's Valkey databases."""
    for url in (settings.REDIS_URL, settings.CELERY_BROKER_URL.replace("redis+socket", "unix")):
        _valkey(url.replace("virtual_host", "db")).flushdb()


@cache
def _valkey(url: str) -> redis.Redis:
    # Kept: to make a client costs many times what it asks, and every test asks.
    return redis.Redis.from_url(url)


def database_name() -> str:
    return f"test_laurel_{os.environ[SLOT]}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


def template_name() -> str:
    """Name the template by all that migrating depends on, so that a change makes a new one."""
    digest = hashlib.sha256()
    for path in sorted([*BASE.glob("*/migrations/*.py"), BASE / "requirements.txt"]):
        digest.update(path.read_bytes())
    return f"laurel_template_{digest.hexdigest()[:12]}"


def create_template() -> None:
    """Migrate once for all workers and later sessions."""
    template, draft = template_name(), "laurel_template_draft"
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'laurel\\_template\\_%%'")
        found = {name for (name,) in cursor.fetchall()}
        if template in found:
            return
        for name in found:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {draft}")
        connection.close()
        connection.settings_dict["NAME"] = draft
        call_command("migrate", interactive=False, verbosity=0, run_syncdb=True)
        connection.close()
        # Renamed when whole: a killed session leaves a draft, never half a template.
        cursor.execute(f"ALTER DATABASE {draft} RENAME TO {template}")


def copy_template() -> None:
    """Give this worker a fresh database, all rows of migrations included."""
    drop_database()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database_name()} TEMPLATE {template_name()}")
    connection.settings_dict["NAME"] = database_name()


def drop_database() -> None:
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {database_name()} WITH (FORCE)")


def _try_lock(file: TextIOWrapper) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    # For ./run test, when a session was killed and could not stop its servers.
    Session().close()
