"""`manage.py generate_members`: synthetic members by the million, the same ones every time, for benchmarks."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from loyalty import clock
from loyalty.management.data_command import DataCommand
from loyalty.models import Programme
from loyalty.services import generated_member


class Command(DataCommand):
    help = "Makes synthetic members in a programme of their own. Running it again adds what is missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=1_000_000)
        parser.add_argument("--programme", default="benchmark", help="The programme's slug; made when missing.")

    def handle(self, *args: Any, **options: Any) -> None:
        count: int = options["count"]
        if not 1 <= count <= 9_999_999:
            raise CommandError("Give a count from 1 to 9,999,999.")
        programme, _ = Programme.objects.get_or_create(
            slug=options["programme"], defaults={"name": options["programme"].replace("-", " ").title()}
        )
        begun = time.monotonic()
        made = 0
        for step in generated_member.generate(programme=programme, count=count, now=clock.now()):
            made += step
            if options["verbosity"] and count > generated_member.SLICE:
                self.stdout.write(f"{made:,} of {count:,}")
        self.stdout.write(f"{made:,} members made in “{programme.name}” ({time.monotonic() - begun:.1f} s).")
