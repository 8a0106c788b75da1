"""`manage.py demo`: a year of a real grocer as a programme that one can look at (docs/demo.md)."""

import resource
import sys
import time
from argparse import ArgumentParser
from collections import deque
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from loyalty import clock
from loyalty.errors import DomainError
from loyalty.services import demo
from loyalty.services.demo import package
from support.services import demo as desk

BAR = 30
WINDOW_SECONDS = 20


class Console:
    """Tells a load's progress: a bar on a terminal, a line a part elsewhere."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.is_terminal = stream.isatty()

    def begin(self, what: str, total: int | None = None) -> None:
        self.what, self.total, self.done = what, total, 0
        self.begun = self.shown = time.monotonic()
        self.steps = deque([(self.begun, 0)])
        if self.is_terminal:
            self._draw()

    def advance(self, by: int) -> None:
        self.done += by
        now = time.monotonic()
        self.steps.append((now, self.done))
        # What an earlier load had done comes at once: the rate is that of the last while.
        while self.steps[0][0] < now - WINDOW_SECONDS:
            self.steps.popleft()
        # Ten times a second is often enough for an eye; a log gets a line every ten seconds.
        if now - self.shown > (0.1 if self.is_terminal else 10):
            self._draw()

    def end(self, result: str) -> None:
        line = f"{self.what:<24} {result} ({time.monotonic() - self.begun:.1f} s)"
        self.stream.write(f"\r\x1b[K{line}\n" if self.is_terminal else f"{line}\n")
        self.stream.flush()

    def _draw(self) -> None:
        self.shown = time.monotonic()
        line = f"{self.what:<24} "
        if self.total:
            filled = min(BAR, BAR * self.done // self.total)
            since, before = self.steps[0]
            rate = (self.done - before) / max(self.shown - since, 0.001)
            left = f", about {(self.total - self.done) / rate:.0f} s left" if rate else ""
            line += f"[{'#' * filled}{'.' * (BAR - filled)}] {self.done:,} of {self.total:,}{left}"
        else:
            line += "…"
        self.stream.write(f"\r\x1b[K{line}" if self.is_terminal else f"{line}\n")
        self.stream.flush()


class Command(BaseCommand):
    help = (
        "Loads the demo: a quick cut, or with --full everything. Running it again adds what is missing and doubles "
        "nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--full", action="store_true", help="All receipts, and the mass assignments of all 1,197 coupons."
        )
        parser.add_argument(
            "--i-know",
            action="store_true",
            help="Load it although LAUREL_DEMO is off: demo logins have public passwords.",
        )

        parser.add_argument(
            "--if-missing", action="store_true", help="Do nothing where a load has come to its end before."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO and not options["i_know"]:
            raise CommandError(
                "This installation is not in demo mode, and the demo brings logins whose passwords everyone knows. "
                "Nothing was loaded. Set LAUREL_DEMO=1 where a demo is wanted, or give --i-know."
            )
        if options["if_missing"] and demo.is_loaded():
            return
        try:
            package.folder()
            self._load(is_full=options["full"])
        except DomainError as error:
            raise CommandError(error.message) from error
        except KeyboardInterrupt:
            self.stdout.write("")
            raise CommandError("Interrupted. Run it again: it goes on where it stopped.", returncode=130) from None

    def _load(self, *, is_full: bool) -> None:
        # Here, not above: these need the packages of requirements-demo.txt.
        from loyalty.services.demo.source import Cut, Source
        from offers.services.demo import load

        begun = time.monotonic()
        source = Source(Cut(is_full=is_full))
        console = Console(self.stdout)
        programme = load.load(source=source, now=clock.now(), clock=clock.now, report=console)
        console.begin("the desk")
        console.end(f"{desk.load(programme=programme, now=clock.now())} new grants")
        seconds = time.monotonic() - begun
        # Kilobytes on Linux, bytes on macOS.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        self.stdout.write("")
        for what, count in load.counts(programme).items():
            self.stdout.write(f"{what:<32}{count:>12,}")
        self.stdout.write(
            f"\nDates moved by {programme.demo_shift_weeks} weeks. {seconds:.1f} s, at most {peak:.0f} MB.\n"
        )
        self.stdout.write("Demo logins:")
        for login in demo.LOGINS:
            self.stdout.write(f"  {login.username:<14}{login.password:<26}{login.label}")
