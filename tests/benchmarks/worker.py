"""A worker process of row A. Nothing of the project is imported before Django is ready: the process begins here."""

import os
from typing import Any


def work(database: str, run_id: int, ready: Any, go: Any, peaks: Any) -> None:
    """A worker that waits for the run to be planned, then does chunks until there are none: as a Celery process does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database
    from loyalty import clock
    from offers.services import execution

    clock.now()
    ready.release()
    go.wait()
    while execution.do_next_chunk(run_id=run_id, now=clock.now()):
        pass
    execution.finish(run_id=run_id, now=clock.now())
    peaks.put(_peak_kib())


def _peak_kib() -> int:
    """Return this process's own peak; getrusage would carry over the parent's from before the exec."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
