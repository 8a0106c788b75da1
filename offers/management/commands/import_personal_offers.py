"""`manage.py import_personal_offers OFFER_REFERENCE FILE`: personal offers from the command line (S1-03..06, D-14)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.utils.translation import gettext as _

from loyalty import clock
from loyalty.errors import DomainError
from loyalty.management.data_command import DataCommand
from offers.management import programme as programmes
from offers.models import PersonalOfferImport
from offers.selectors import catalogue
from offers.services import personal_offer, personal_offer_report, personal_offer_work


class Command(DataCommand):
    help = "Import members' own terms of an offer: CSV, JSONL, Parquet or XLSX. See docs/personal-offers.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        programmes.add_argument(parser)
        parser.add_argument("offer_reference")
        parser.add_argument("file", type=Path)
        parser.add_argument("--full", action="store_true", help="Whoever is not in the file loses what she had.")
        parser.add_argument("--dry-run", action="store_true", help="Say what it would do, and give nothing.")
        parser.add_argument("--leave-out-faulty", action="store_true", help="Do the others; nobody else is touched.")

    def handle(self, *args: Any, **options: Any) -> None:
        programme = programmes.chosen(options["programme"])
        path: Path = options["file"]
        try:
            offer = catalogue.find(programme=programme, key=options["offer_reference"])
            with path.open("rb") as file:
                upload = personal_offer.receive(
                    programme=programme,
                    offer=offer,
                    file=file,
                    file_name=path.name,
                    is_full=options["full"],
                    actor=None,
                    now=clock.now(),
                )
            upload = personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now)
            self._say(upload)
            if upload.state == PersonalOfferImport.State.FAILED:
                raise CommandError(_("The file cannot be read. Nothing was given."))
            if options["dry_run"] or (upload.faulty and not options["leave_out_faulty"]):
                personal_offer.discard(upload=upload, actor=None, now=clock.now())
                if upload.faulty and not options["leave_out_faulty"]:
                    raise CommandError(_("The file has problems. Nothing was given."))
                return
            personal_offer.commit(
                upload=upload, leaves_out_faulty=options["leave_out_faulty"], actor=None, now=clock.now()
            )
            self._say(personal_offer_work.run_to_end(upload_id=upload.pk, clock=clock.now), is_brief=True)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        except DomainError as error:
            raise CommandError(error.message) from error

    def _say(self, upload: PersonalOfferImport, *, is_brief: bool = False) -> None:
        lines = personal_offer_report.text(upload=upload)
        for line in lines[-1:] if is_brief else lines:
            self.stdout.write(line)
