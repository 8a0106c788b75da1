"""PostgreSQL and Valkey killed in the middle of a run, on servers of their own with fsync on (R5, R6, C-04)."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import redis

from loyalty import embedded, servers
from tests import instance as test_instance
from tests import workers

CHUNK = 500
PLANT = "from tests.faults import runs; print(runs.launched({members}).pk)"
# Beat's sweep, more often: what it rings is what brings a run back.
SWEEP = """
import time
from django.db import connection
from offers.tasks import mass_assignment
while True:
    try:
        mass_assignment.sweep()
    except Exception as error:
        print(type(error).__name__, flush=True)
        connection.close()
    time.sleep(0.5)
"""


class Site:
    """A PostgreSQL and a Valkey of their own, migrated, with a launched run."""

    def __init__(self, folder: Path, members: int) -> None:
        self.instance = embedded.instance_at(folder / "var", name="main")
        servers.start(self.instance)
        self.settings = {
            "DATABASE_URL": self.instance.database_url,
            "REDIS_URL": self.instance.celery_url,
            "CACHE_URL": self.instance.redis_url,
            "LAUREL_INSTANCE": "test",
            "LAUREL_DEMO": "0",
            "MASS_ASSIGNMENT_CHUNK": str(CHUNK),
            "MASS_ASSIGNMENT_LEASE_SECONDS": "1",
        }
        self.run("manage.py", "migrate", "--verbosity", "0")
        self.members = members
        self.run("-c", self.program(PLANT.format(members=members)))

    @staticmethod
    def program(text: str) -> str:
        setup = "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'loyalty.settings'); import django\n"
        return f"{setup}django.setup()\n{text}"

    def run(self, *arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, *arguments], cwd=test_instance.BASE, env=os.environ | self.settings,
            capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def ask(self, sql: str) -> tuple:
        with psycopg.connect(host=str(self.instance.sockets), user="laurel", dbname="laurel") as connection:
            return connection.execute(sql).fetchone()

    def assigned(self) -> int:
        return self.ask("SELECT count(*) FROM offers_assignment")[0]

    def is_over(self) -> bool:
        return self.ask("SELECT state FROM offers_massassignment")[0] != "running"

    def kill(self, server: str) -> None:
        pid = servers.status(self.instance)[server]
        os.kill(pid, signal.SIGKILL)
        workers.wait(lambda: servers.status(self.instance)[server] is None, what=f"{server} to be gone")

    def wait_for(self, part: float) -> int:
        """Wait until so large a part of the members have the offer, and return how many have."""
        workers.wait(lambda: self.assigned() >= part * self.members, seconds=90, what=f"{part:.0%} of the run")
        return self.assigned()


@pytest.fixture
def site(tmp_path):
    """Give a function that makes a site with a run of so many members, two workers and a sweeper at it."""
    with ExitStack() as stack:

        def make(members: int) -> Site:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="laurel-", dir="/tmp")))
            # Root's servers run as somebody else, who must get through.
            folder.chmod(0o755)
            stack.callback(lambda: servers.stop(embedded.instance_at(folder / "var", name="main")))
            made = Site(folder, members)
            for _ in range(2):
                stack.enter_context(workers.worker(tmp_path, **made.settings))
            sweeper = subprocess.Popen(
                [sys.executable, "-c", Site.program(SWEEP)], cwd=test_instance.BASE, env=os.environ | made.settings,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(sweeper.wait)
            stack.callback(sweeper.kill)
            return made

        yield make


def ends_whole(site: Site) -> None:
    workers.wait(site.is_over, seconds=120, what="the run to end")
    assert site.ask("SELECT state FROM offers_massassignment") == ("finished",)
    found = site.ask(
        "SELECT count(*), count(DISTINCT member_id), count(DISTINCT voucher_code_id) FROM offers_assignment"
    )
    assert found == (site.members,) * 3
    # Exit code 1 where anything is broken.
    assert site.run("manage.py", "check_integrity").endswith(" 0 broken.\n")


@pytest.mark.chaos
def test_a_run_outlives_its_postgresql(site):
    """R5, B-01, C-04, issue 3: SIGKILL of the postmaster three times; nothing committed is lost or done again."""
    here = site(40_000)
    assert here.ask("SHOW fsync") == ("on",)
    for kill in range(1, 4):
        before = here.wait_for(kill * 0.2)
        here.kill("postgres")
        servers.start(here.instance, which=["postgres"])
        kept = here.assigned()
        assert before <= kept < here.members
        workers.wait(lambda kept=kept: here.assigned() > kept, seconds=30, what="the run to go on")
    ends_whole(here)


@pytest.mark.chaos
def test_a_run_outlives_its_valkey(site):
    """R6, C-04, issue 3: flushed mid-run, then killed and started empty; the sweeper fills the queue again."""
    here = site(40_000)
    here.wait_for(0.1)
    with redis.Redis.from_url(here.instance.redis_url) as client:
        client.flushall()
    here.wait_for(0.2)
    here.kill("valkey")
    assert not here.is_over()
    for log in here.instance.valkey.glob("appendonlydir/*"):
        log.unlink()
    servers.start(here.instance, which=["valkey"])
    ends_whole(here)
