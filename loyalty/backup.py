"""Backups by the wheel's pg_dump and pg_restore, of whichever PostgreSQL the settings name."""

import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from loyalty import server_home


class BackupError(RuntimeError):
    """A backup or restore did not happen; the message says why, and nothing was changed."""


def write(*, path: Path) -> int:
    """Write the whole database to a file in pg_dump's custom format; return its size in bytes."""
    if path.exists():
        raise BackupError(f"{path} exists already: choose another name.")
    draft = path.with_name(f"{path.name}.part")
    # Made by us first: a backup holds everything there is to know about people.
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        _run("pg_dump", "--format=custom", f"--file={draft}", f"--dbname={_target()}")
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    return path.stat().st_size


def restore(*, path: Path, now: datetime) -> str:
    """Replace the database by a backup; return the name under which the replaced one was kept.

    The backup is first restored whole beside the running database; only then do the two change names.
    """
    if not path.is_file():
        raise BackupError(f"There is no file {path}.")
    name = str(connection.settings_dict["NAME"])
    draft, kept = f"{name}_restoring", f"{name}_until_{now:%Y%m%d_%H%M%S}"
    connection.close()
    with _administration() as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(draft)))
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
        try:
            _run(
                *("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--jobs=2"),
                f"--dbname={_target(draft)}",
                str(path),
            )
        except BackupError:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(draft)))
            raise
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [name],
        )
        for old, new in ((name, kept), (draft, name)):
            session.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))
    return kept


def _administration() -> psycopg.Connection[Any]:
    return psycopg.connect(**_parameters("postgres"), autocommit=True)


def _parameters(database: str | None = None) -> dict[str, Any]:
    chosen = connection.get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert")
    found = {name: chosen[name] for name in wanted if chosen.get(name)}
    return found | ({"dbname": database} if database else {})


def _target(database: str | None = None) -> str:
    # Other users of the machine can read a command line: the password goes through the environment.
    return psycopg.conninfo.make_conninfo(**(_parameters(database) | {"password": None}))


def _run(program: str, *arguments: str) -> None:
    result = subprocess.run(  # noqa: S603 (our own program)
        [str(server_home.binaries_folder() / program), *arguments],
        env=os.environ | {"PGPASSWORD": str(_parameters().get("password", ""))},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise BackupError(f"{program} failed, and nothing was changed:\n{result.stderr.strip()}")
