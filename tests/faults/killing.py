"""Processes that die with SIGKILL, at a named point of the n-th chunk that they do or whenever a test wants it."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from types import ModuleType

from django.db import connection

# A function of the module that works (or of what it calls), and whether to die before or after it.
Point = tuple[str, str]


def worker(work: Callable[[], object], *, owner: ModuleType, point: Point | None = None, call: int = 1) -> ForkProcess:
    """Return a process, not started, that does what a Celery process does, and dies at the point of its n-th chunk."""
    # A fork keeps this process's open connection: it opens its own, and so does this one.
    database = connection.settings_dict["NAME"]
    connection.close()
    return multiprocessing.get_context("fork").Process(target=_work, args=(database, work, owner, point, call))


def _work(database: str, work: Callable[[], object], owner: ModuleType, point: Point | None, call: int) -> None:
    import django

    django.setup()
    from django.conf import settings

    # Behind a browser's event loop the parent had another connection than the one this child finds: drop what it finds.
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database
    if point:
        _arm(owner, point, call)
    work()


def _arm(module: ModuleType, point: Point, call: int) -> None:
    name, side = point
    owner: object = module
    *path, attribute = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original, calls = getattr(owner, attribute), [0]

    def armed(*args, **options):
        calls[0] += 1
        if side == "before" and calls[0] >= call:
            _die()
        result = original(*args, **options)
        if side == "after" and calls[0] >= call:
            _die()
        return result

    setattr(owner, attribute, armed)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ends_killed(process: ForkProcess, *, seconds: float = 60) -> bool:
    """Start it, wait for its end, and say whether it was the kill."""
    process.start()
    process.join(timeout=seconds)
    return process.exitcode == -signal.SIGKILL


def kill_all(processes: list[ForkProcess], *, after: float) -> int:
    """Start them, kill those that live when the first has ended or so many seconds are over; count the killed."""
    for process in processes:
        process.start()
    processes[0].join(timeout=after)
    for process in processes:
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    return sum(process.exitcode == -signal.SIGKILL for process in processes)
