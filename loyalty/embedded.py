"""Where the embedded PostgreSQL and Valkey live, and the secrets made on first start.

Pure path arithmetic: settings import it. Starting and stopping is in `loyalty/servers.py`.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Addresses:
    """Socket addresses of one checkout's servers."""

    database_url: str
    redis_url: str
    celery_url: str


def addresses(base: Path) -> Addresses:
    """Return the addresses that this checkout's embedded servers have (or would have)."""
    folder = base / "var"
    return Addresses(
        database_url=f"postgresql://laurel@/laurel?host={folder}",
        redis_url=f"unix://{folder}/valkey.sock?db=1",
        celery_url=f"redis+socket://{folder}/valkey.sock?virtual_host=0",
    )


def secret(base: Path, name: str, *, kind: str = "random") -> str:
    """Return a secret kept under `var/`, made on first use with mode 0600."""
    path = base / "var" / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        value = secrets.token_urlsafe(48)
        if kind == "ed25519":
            from cryptography.hazmat.primitives.asymmetric import ed25519
            from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

            key = ed25519.Ed25519PrivateKey.generate()
            value = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(value)
    return path.read_text()
