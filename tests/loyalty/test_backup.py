"""O1: what is backed up comes back whole, and a failed restore changes nothing."""

import dataclasses
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import connection

from loyalty import backup

pytestmark = pytest.mark.django_db(transaction=True)


def counts_and_checksums():
    """Every table's rows as a count and a sum of hashes, whatever their order."""
    found = {}
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT count(*), sum(hashtext(t::text)::bigint) FROM "{table}" t')
            found[table] = cursor.fetchone()
    return found


def databases():
    """Every database but those of other workers' tests, which come and go meanwhile."""
    own = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall() if name.startswith(own) or not name.startswith("test_laurel_")}


def test_a_backup_restores_to_equal_counts_and_checksums_o1(tmp_path, settings):
    # A lock of its own: another worker's supervisor, on another database, is in nobody's way.
    settings.SERVERS = dataclasses.replace(settings.SERVERS, folder=tmp_path)
    Group.objects.create(name="before the backup")
    before = counts_and_checksums()
    path = tmp_path / "laurel.dump"
    call_command("backup", str(path), stdout=StringIO())
    assert path.stat().st_mode & 0o777 == 0o600
    Permission.objects.all().delete()
    Group.objects.create(name="after the backup")
    assert counts_and_checksums() != before

    said = StringIO()
    call_command("restore", str(path), "--no-input", stdout=said)

    assert counts_and_checksums() == before
    kept = next(name for name in databases() if f"{connection.settings_dict['NAME']}_until_" in name)
    assert f"The replaced database is kept as {kept}" in said.getvalue()
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{kept}"')


def test_a_broken_backup_is_refused_and_nothing_changes_o1(tmp_path):
    Group.objects.create(name="there already")
    before, names = counts_and_checksums(), databases()
    path = tmp_path / "broken.dump"
    path.write_bytes(b"PGDMP, and then nonsense")
    with pytest.raises(backup.BackupError, match="pg_restore failed, and nothing was changed"):
        backup.restore(path=path, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert counts_and_checksums() == before
    assert databases() == names


def test_a_backup_never_overwrites_a_file(tmp_path):
    path = tmp_path / "laurel.dump"
    path.write_text("yesterday's")
    with pytest.raises(CommandError, match="exists already: choose another name"):
        call_command("backup", str(path))
    assert path.read_text() == "yesterday's"
