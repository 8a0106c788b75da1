"""Processes of rows A, I and M. Nothing of the project is imported before Django is ready: the process begins here."""

import os
import time
from importlib import import_module
from typing import Any


def work(database: str, run_id: int, ready: Any, go: Any, peaks: Any, module: str = "execution") -> None:
    """A worker that waits for the run to be planned, then does chunks until there are none: as a Celery process does.

    `module` is the service whose chunks are done: `execution`, or `mass_assignment_undo`.
    """
    _set_up(database)
    from loyalty import clock

    service = import_module(f"offers.services.{module}")
    clock.now()
    ready.release()
    go.wait()
    while service.do_next_chunk(run_id=run_id, now=clock.now()):
        pass
    service.finish(run_id=run_id, now=clock.now())
    peaks.put(peak_kib())


def export(database: str, run_id: int, file_format: Any, answer: Any) -> None:
    """Export a run's outcomes as a web process does; tell seconds, KiB above what was loaded, and bytes sent."""
    _set_up(database)
    from loyalty import clock
    from offers.models import MassAssignment
    from offers.selectors.audience import EVERYONE
    from offers.services import outcome_export

    run = MassAssignment.objects.get(pk=run_id)
    before, begun = peak_kib(), time.perf_counter()
    response = outcome_export.export(run=run, wanted=EVERYONE, file_format=file_format, now=clock.now())
    sent = sum(len(part) for part in response.streaming_content)
    answer.put((time.perf_counter() - begun, peak_kib() - before, sent))


def _set_up(database: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database


def peak_kib() -> int:
    """Return this process's own peak; getrusage would carry over the parent's from before the exec."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
