"""Where the embedded PostgreSQL and Valkey live, and the secrets made on first start.

Pure path arithmetic: settings import it, so it starts nothing. Starting and stopping is `loyalty/servers.py`.
"""

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

# Kernels hold 104 (BSD, macOS) or 108 (Linux) bytes of a socket's path; PostgreSQL adds a `.lock` beside it.
LONGEST_SOCKET_PATH = 103
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"
# Valkey databases of the main instance; tests take a pair for each worker of each session.
QUEUE_DATABASE, CACHE_DATABASE = 0, 1


@dataclass(frozen=True)
class Instance:
    """One PostgreSQL and one Valkey: their folders and the addresses they have (or would have)."""

    name: str
    folder: Path
    sockets: Path

    @property
    def is_throwaway(self) -> bool:
        """Tests' data may be lost, so it need not reach the disk."""
        return self.name == "test"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def valkey(self) -> Path:
        return self.folder / "valkey"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def database_url(self) -> str:
        return f"postgresql://laurel@/laurel?host={self.sockets}"

    @property
    def redis_url(self) -> str:
        return self.cache_url(CACHE_DATABASE)

    @property
    def celery_url(self) -> str:
        return self.queue_url(QUEUE_DATABASE)

    def cache_url(self, database: int) -> str:
        """Return the address of one Valkey database as redis-py spells it."""
        return f"unix://{self.valkey_socket}?db={database}"

    def queue_url(self, database: int) -> str:
        """Return the address of one Valkey database as Celery spells it."""
        return f"redis+socket://{self.valkey_socket}?virtual_host={database}"


def addresses(base: Path) -> Instance:
    """Return the instance this process uses: `test` under pytest or by LAUREL_INSTANCE, else `main`.

    That pytest alone is enough to choose keeps a forgotten variable from ever touching real data. Where
    LAUREL_TEST_FOLDER names a folder, one in memory say, what tests write is there, apart for each checkout.
    """
    name = os.environ.get("LAUREL_INSTANCE") or ("test" if "PYTEST_VERSION" in os.environ else "main")
    if name not in ("main", "test"):
        raise ValueError(f"LAUREL_INSTANCE is main or test, not {name!r}.")
    home = home_of(base)
    if name == "main":
        return instance_at(home, name=name)
    elsewhere = os.environ.get("LAUREL_TEST_FOLDER")
    folder = Path(elsewhere).resolve() / f"laurel-{_short_hash(base)}" if elsewhere else home / "test"
    return instance_at(folder, name=name)


def needed() -> list[str]:
    """Return the embedded servers that no URL in the environment replaces."""
    variables = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
    return [server for server, variable in variables.items() if not os.environ.get(variable)]


def instance_at(folder: Path, *, name: str) -> Instance:
    """Return the instance whose data is in a folder; its sockets are there too where their path allows."""
    sockets = folder / "run"
    path = str(sockets / LONGEST_SOCKET_NAME)
    # Besides length: a path with other characters would need quoting, differently in each client's URL.
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH or not re.fullmatch(r"[A-Za-z0-9/._-]+", path):
        sockets = _private_folder(folder)
    return Instance(name=name, folder=folder, sockets=sockets)


def home_of(base: Path) -> Path:
    """Return the folder of a checkout's data: its `var/`, or one under /var/lib.

    As root the servers run as an unprivileged user, who cannot pass through, say, root's 0700 home.
    """
    if os.geteuid() == 0 and not is_open_to_others(base):
        return Path("/var/lib") / f"laurel-{_short_hash(base)}"
    return base / "var"


def is_open_to_others(path: Path) -> bool:
    """Return whether any user may pass through a folder and everything above it."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def secret(base: Path, name: str, *, kind: str = "random") -> str:
    """Return a secret kept under `var/`, made on first use with mode 0600."""
    path = base / "var" / "secrets" / name
    try:
        if not path.exists():
            _keep(path, _new_secret(kind))
        return path.read_text()
    except OSError as error:
        # A container, say: nothing can be written, and each one would make a secret of its own.
        raise RuntimeError(f"Set {name.upper()}: no secret can be kept in {path.parent} ({error}).") from error


def _keep(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Web, worker and beat may start at once on an empty folder: a whole file is linked into place
    # and the first one wins, so that nobody ever signs with a secret that another process replaced.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _new_secret(kind: str) -> str:
    if kind != "ed25519":
        return secrets.token_urlsafe(48)
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _private_folder(folder: Path) -> Path:
    name = f"laurel-{_short_hash(folder)}"
    user = os.geteuid()
    if user == 0:
        return Path("/run" if Path("/run").is_dir() else "/tmp") / name  # noqa: S108 (ownership is checked)
    of_user = Path(f"/run/user/{user}")
    if of_user.is_dir() and of_user.stat().st_uid == user:
        return of_user / name
    # Not tempfile.gettempdir(): each process must find the same folder whatever its TMPDIR.
    return Path("/tmp") / f"{name}-{user}"  # noqa: S108 (made 0700; a stranger's folder is refused)


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:10]
