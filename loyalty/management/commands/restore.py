"""`manage.py restore FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from loyalty import backup, clock, supervisor
from loyalty.server_home import ServerError


class Command(BaseCommand):
    help = "Replaces the database by a backup and migrates it; the replaced one is kept under another name."
    # What is there now may be anything, even nothing.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--no-input", action="store_true", help="Do not ask before replacing.")

    def handle(self, *args: Any, **options: Any) -> None:
        name = connection.settings_dict["NAME"]
        if not options["no_input"]:
            answer = input(f"Replace the database {name} by {options['file']}? Type yes: ")
            if answer.strip() != "yes":
                raise CommandError("Nothing was changed.")
        try:
            # Web and workers writing meanwhile would write into what is replaced.
            with supervisor.only_one(settings.SERVERS.folder):
                kept = backup.restore(path=options["file"], now=clock.now())
                call_command("migrate", interactive=False, verbosity=0)
        except (backup.BackupError, ServerError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored {options['file']}. The replaced database is kept as {kept}; "
            f"when sure, remove it: ./run manage dbshell -- -c 'DROP DATABASE \"{kept}\"'"
        )
