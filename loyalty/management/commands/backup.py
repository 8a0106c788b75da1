"""`manage.py backup FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import CommandError

from loyalty import backup
from loyalty.management.data_command import DataCommand


class Command(DataCommand):
    help = "Writes the whole database to a file, while everything keeps running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            size = backup.write(path=options["file"])
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Wrote {options['file']}, {size / 1_000_000:.1f} MB.")
