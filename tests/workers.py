"""Real Celery workers on this test's own database and Valkey, as processes that can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import instance

OPTIONS = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")


class Worker:
    """A Celery worker's process group."""

    def __init__(self, log: Path, *, pool: str = "solo", queues: str = "bulk", **settings: object) -> None:
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "loyalty", "worker", "-P", pool, "-c", "2", "-Q", queues),
                    *OPTIONS,
                ],
                cwd=instance.BASE,
                env=instance.process_environment() | {name: str(value) for name, value in settings.items()},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a power cut would, its children too."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def worker(folder: Path, **settings: object) -> Iterator[Worker]:
    """Run a worker while the block lasts."""
    started = Worker(folder / f"worker-{time.monotonic_ns()}.log", **settings)
    try:
        yield started
    finally:
        started.kill()


def wait(until: Callable[[], bool], *, seconds: float = 60, what: str = "it") -> None:
    """Look again and again until it is so; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds} s for {what}.")
        time.sleep(0.05)
