"""`manage.py import_vouchers OFFER_REFERENCE FILE`: fill a bank from the command line (S4-17..21, B-17)."""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic_core import PydanticCustomError

from loyalty import clock, years
from loyalty.errors import DomainError
from loyalty.management.data_command import DataCommand
from loyalty.models import Programme
from offers.management import programme as programmes
from offers.rules import moment
from offers.selectors import catalogue
from offers.selectors import voucher as selectors
from offers.services import voucher
from offers.services.voucher_doctor import Report


class Command(DataCommand):
    help = "Import voucher codes into an offer's bank: a .txt, one a line, or a .csv with an expiry for each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        programmes.add_argument(parser)
        parser.add_argument("offer_reference")
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--expires",
            help="When the codes expire: 2026-12-31 (the end of that day in the programme's zone) or a moment.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be imported, and import nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        programme = programmes.chosen(options["programme"])
        expires_at = _moment(options["expires"], programme) if options["expires"] else None
        path: Path = options["file"]
        try:
            bank = voucher.make_bank(offer=catalogue.find(programme=programme, key=options["offer_reference"]))
            with path.open("rb") as file:
                given: Any = {"bank": bank, "file": file, "file_name": path.name, "expires_at": expires_at}
                if options["dry_run"]:
                    self._say(voucher.check_file(**given, now=clock.now()))
                    return
                batch = voucher.import_file(**given, actor=None, now=clock.now())
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        except DomainError as error:
            # A problem of the whole file is the message itself; those of lines follow it.
            lines = [str(problem["message"]) for problem in error.problems if problem["message"] != error.message]
            if more := error.details.get("more"):
                lines.append(ngettext("… and %(count)d more.", "… and %(count)d more.", more) % {"count": more})
            raise CommandError("\n".join([error.message, *lines])) from error
        left = selectors.codes_left(bank=bank, now=clock.now())
        self.stdout.write(
            _(
                "%(imported)d of %(lines)d codes imported; %(file)d repeated in the file, "
                "%(bank)d already in the bank. %(left)d left."
            )
            % {
                "imported": batch.imported,
                "lines": batch.lines,
                "file": batch.duplicates_in_file,
                "bank": batch.duplicates_in_bank,
                "left": left,
            }
        )

    def _say(self, report: Report) -> None:
        """Write the report; a file that would be refused ends the command with an error."""
        for finding in report.findings:
            self.stdout.write(f"{finding.severity}: {finding.kind} ({finding.count})")
            for problem in finding.problems:
                self.stdout.write(f"  {problem['message']}")
            if finding.more:
                more = ngettext("… and %(count)d more.", "… and %(count)d more.", finding.more)
                self.stdout.write("  " + more % {"count": finding.more})
        if not report.is_acceptable:
            raise CommandError(
                ngettext(
                    "The file would be refused: it has %(count)d problem.",
                    "The file would be refused: it has %(count)d problems.",
                    report.refused,
                )
                % {"count": report.refused}
            )
        self.stdout.write(
            _(
                "%(imported)d of %(lines)d codes would be imported; %(file)d repeated in the file, "
                "%(bank)d already in the bank. Nothing was imported."
            )
            % {
                "imported": report.imported,
                "lines": report.lines,
                "file": report.duplicates_in_file,
                "bank": report.duplicates_in_bank,
            }
        )


def _moment(text: str, programme: Programme) -> datetime:
    try:
        return moment.end(moment.read(text), programme.zone)
    except PydanticCustomError as error:
        years_kept = f"of the years {years.FIRST} to {years.LAST}"
        raise CommandError(
            f"“{text}” is not a moment {years_kept}. Write 2026-12-31 or 2026-12-31T18:00:00+01:00."
        ) from error
