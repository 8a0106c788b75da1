"""A PostgreSQL and a Valkey of their own, fsync on, with web, workers and a sweeper that outlive them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import psycopg

from loyalty import embedded, server_home, servers
from loyalty.management.commands import up
from offers.models import Source
from tests import instance as test_instance
from tests import workers

PLANT = """
from tests.faults import runs
run = runs.launched({members})
print(run.pk, run.programme_id, *runs.door(run.programme))
"""
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
# How long the web of a site waits for its database: a request takes twice that at most, and its connection.
PATIENCE = 2


@dataclass
class Answer:
    """What the web said, when, and after how many seconds."""

    at: float
    seconds: float
    status: int
    kind: str
    retry_after: str
    body: str


@dataclass
class Run:
    """A launched run of a site; a key for its programme's door, and a draft that may be launched there."""

    id: int
    programme: int
    key: str
    draft: int
    members: int


@dataclass
class Caller(threading.Thread):
    """Grants an offer again and again, one request after the other, each under its reference until it is assigned."""

    site: "Site"
    of: Run
    answers: list[Answer] = field(default_factory=list)
    granted: int = 0
    is_over: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.is_over:
            body = {
                "member": f"M{self.granted % self.of.members + 1}",
                "offer": "door",
                "reference": f"r-{self.granted}",
            }
            answer = self.site.ask("/api/v1/assignments", key=self.of.key, body=body)
            self.answers.append(answer)
            self.granted += answer.status == 201
            time.sleep(0.02 if answer.status == 201 else 0.2)

    def end(self) -> None:
        self.is_over = True
        self.join(60)
        assert not self.is_alive()

    def refused(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 201]

    def waits_for_one_more(self) -> float:
        """Return after how many seconds the next grant came."""
        before, began = self.granted, time.monotonic()
        workers.wait(lambda: self.granted > before, seconds=60, what="a grant")
        return time.monotonic() - began


class Site:
    """Servers in a folder, with the tables of this test's database."""

    def __init__(self, folder: Path, stack: ExitStack, *, chunk: int) -> None:
        self.stack, self.folder = stack, folder
        self.instance = embedded.instance_at(folder / "var", name="main")
        servers.start(self.instance)
        self.settings = {
            "DATABASE_URL": f"{self.instance.database_url}&connect_timeout={PATIENCE}",
            "REDIS_URL": self.instance.celery_url,
            "CACHE_URL": self.instance.redis_url,
            "LAUREL_INSTANCE": "test",
            "LAUREL_DEMO": "0",
            "MASS_ASSIGNMENT_CHUNK": str(chunk),
            # Longer than a chunk takes on a busy machine, or each of them would be taken for dead.
            "MASS_ASSIGNMENT_LEASE_SECONDS": "3",
            "DATABASE_PATIENCE_SECONDS": str(PATIENCE),
        }
        self._copy_tables()

    def _copy_tables(self) -> None:
        # As migrating does, in a tenth of the time.
        programs = server_home.binaries_folder()
        source = test_instance.process_environment()["DATABASE_URL"]
        with subprocess.Popen(
            [programs / "pg_dump", "--no-owner", f"--dbname={source}"], stdout=subprocess.PIPE
        ) as dump:
            subprocess.run(
                [programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={self.instance.database_url}"],
                stdin=dump.stdout, stdout=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        assert dump.returncode == 0

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

    def launch(self, members: int) -> Run:
        """Plant a programme with so many members and codes and a launched run, and have it rung for."""
        run, programme, key, draft = self.run("-c", self.program(PLANT.format(members=members))).split()
        # Only now, with the web there too, somebody rings: the run is seen from its beginning.
        workers.wait(lambda: up._answers(f"http://127.0.0.1:{self.port}/healthz"), what="the web")
        self.keep("ringer", self.ringer)
        return Run(int(run), int(programme), key, int(draft), members)

    def keep(self, name: str, command: list[str]) -> None:
        """Run a process until the site ends; what it says is kept in the folder."""
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=test_instance.BASE, env=os.environ | self.settings, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

        def end() -> None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

        self.stack.callback(end)

    def busy(self, *, is_beating: bool = False) -> "Site":
        """Start the web as `./run` does, and two workers; who rings them comes with the first run.

        Laurel's own beat, which sweeps every 15 seconds, or a sweeper of twice a second.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        web, _worker, beat = up.Command()._children(port=self.port, concurrency=1, logs=self.folder)
        self.keep("web", web.command)
        # Of one process each, because one with children may end itself when it loses the broker (kombu acknowledges on
        # a connection that it has closed); the product's supervisor starts it again, and here there is none.
        for _ in range(2):
            self.stack.enter_context(workers.worker(self.folder, **self.settings))
        self.ringer = beat.command if is_beating else [sys.executable, "-c", self.program(SWEEP)]
        if is_beating:
            # Who relays, and sweeps while the others are at a run.
            self.stack.enter_context(workers.worker(self.folder, queues="interactive,bulk", **self.settings))
        return self

    def ask(self, path: str, *, key: str = "", body: object = None) -> Answer:
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Api-Key {key}"} if key else {})
        try:
            connection.request("GET" if body is None else "POST", path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        kind, again = answer.getheader("Content-Type", ""), answer.getheader("Retry-After", "")
        return Answer(began, time.monotonic() - began, answer.status, kind, again, text)

    @contextmanager
    def calling(self, run: Run) -> Iterator[Caller]:
        """Grant all the while, and check at the end that what was answered is what is there."""
        caller = Caller(self, run)
        caller.start()
        try:
            caller.waits_for_one_more()
            yield caller
        finally:
            caller.end()
        # Answered and not there would be lost; there and refused before is the same reference's.
        counted = self.rows(
            "SELECT count(*), count(DISTINCT entry.reference), count(DISTINCT held.id) FROM offers_assignment AS held"
            " LEFT JOIN offers_doorentry AS entry ON entry.assignment_id = held.id"
            " JOIN loyalty_member AS member ON member.id = held.member_id"
            f" WHERE held.source = {Source.API.value} AND member.programme_id = {run.programme}"
        )
        assert counted in [(granted,) * 3 for granted in (caller.granted, caller.granted + 1)]

    def said(self, what: str) -> int:
        """Count the lines of the web's log that say it."""
        return (self.folder / "web.log").read_text().count(what)

    def rows(self, sql: str) -> tuple:
        with psycopg.connect(host=str(self.instance.sockets), user="laurel", dbname="laurel") as connection:
            return connection.execute(sql).fetchone()

    def assigned(self, run: "Run | int") -> int:
        """Count the members that a run gave its offer to, each of them once."""
        pk = run if isinstance(run, int) else run.id
        given, members = self.rows(
            f"SELECT count(*), count(DISTINCT member_id) FROM offers_assignment WHERE run_id = {pk}"
        )
        assert given == members
        return given

    def is_draft_begun(self, run: Run) -> bool:
        return self.assigned(run.draft) > 0

    def is_draft_done(self, run: Run) -> bool:
        """Whether the run launched at the door gave each member one."""
        if self.rows(f"SELECT state FROM offers_massassignment WHERE id = {run.draft}") != ("finished",):
            return False
        assert self.assigned(run.draft) == run.members
        return True

    def is_over(self, run: Run) -> bool:
        return self.rows(f"SELECT state FROM offers_massassignment WHERE id = {run.id}")[0] not in (
            "scheduled",
            "running",
        )

    def wait_for(self, run: Run, part: float) -> int:
        """Wait until so large a part of the run's members have the offer, and return how many have."""
        workers.wait(lambda: self.assigned(run) >= part * run.members, seconds=90, what=f"{part:.0%} of the run")
        return self.assigned(run)

    def kill(self, server: str) -> None:
        pid = servers.status(self.instance)[server]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        workers.wait(lambda: servers.status(self.instance)[server] is None, what=f"{server} to be gone")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of PostgreSQL with SIGSTOP: nothing is refused, and nothing answers."""
        postmaster = servers.status(self.instance)["postgres"]
        assert postmaster is not None
        stopped = [postmaster]
        os.kill(postmaster, signal.SIGSTOP)
        try:
            # Listed when nobody can be born any more.
            for path in Path("/proc").glob("[0-9]*/stat"):
                if _parent(path) == postmaster:
                    stopped.append(int(path.parent.name))
                    os.kill(stopped[-1], signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)

    def ends_whole(self, run: Run) -> str:
        """Wait for the run's end, check every invariant, and return what was counted, for the table."""
        workers.wait(lambda: self.is_over(run), seconds=120, what="the run to end")
        assert self.rows(f"SELECT state FROM offers_massassignment WHERE id = {run.id}") == ("finished",)
        found = self.rows(
            "SELECT count(*), count(DISTINCT member_id), count(DISTINCT voucher_code_id) FROM offers_assignment"
            f" WHERE run_id = {run.id}"
        )
        assert found == (run.members,) * 3
        # Exit code 1 where anything is broken.
        assert self.run("manage.py", "check_integrity").endswith(" 0 broken.\n")
        return "{:,} assignments, {:,} members, {:,} codes".format(*found)


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
