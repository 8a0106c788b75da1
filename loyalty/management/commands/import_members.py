"""`manage.py import_members FILE`: members and their attributes from the command line (issue 4)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.utils.translation import gettext as _

from loyalty import clock
from loyalty.errors import DomainError
from loyalty.management.data_command import DataCommand
from loyalty.models import MemberImport, Programme
from loyalty.selectors import member_import as selectors
from loyalty.services import member_import

MOST_SAID = 1000


class Command(DataCommand):
    help = "Import members from a .csv, .jsonl, .parquet or .xlsx file; nothing is written where a line is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--programme", help="The programme's slug; not needed where there is only one.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        wish = MemberImport.Wish.CHECK if options["dry_run"] else MemberImport.Wish.IMPORT
        try:
            with path.open("rb") as file:
                made = member_import.receive(
                    programme=_chosen(options["programme"]), file=file, file_name=path.name, wish=wish, now=clock.now()
                )
            member_import.work(import_id=made.pk, now=clock.now())
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        except DomainError as error:
            raise CommandError("\n".join([error.message, *(str(one["message"]) for one in error.problems)])) from error
        made.refresh_from_db()
        self._say(made)

    def _say(self, made: MemberImport) -> None:
        for problem in selectors.problems(member_import=made)[:MOST_SAID]:
            place = f"{problem.line}: " if problem.line else ""
            value = f" “{problem.value}”" if problem.value else ""
            self.stdout.write(f"{place}{problem.field}{value}: {selectors.message(problem)}")
        if made.state == MemberImport.State.REFUSED:
            raise CommandError(_("%(count)d problems; nothing was written.") % {"count": made.problem_count})
        words = {name: getattr(made, name) for name in ("rows", "created", "changed", "unchanged")}
        text = (
            _("%(rows)d rows: %(created)d members would be made, %(changed)d changed, %(unchanged)d are so already.")
            if made.state == MemberImport.State.CHECKED
            else _("%(rows)d rows: %(created)d members made, %(changed)d changed, %(unchanged)d were so already.")
        )
        self.stdout.write(text % words)


def _chosen(slug: str | None) -> Programme:
    found = list(Programme.objects.filter(slug=slug) if slug else Programme.objects.order_by("slug")[:2])
    if len(found) != 1:
        slugs = ", ".join(Programme.objects.order_by("slug").values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"Choose a programme with --programme. There are: {slugs}.")
    return found[0]
