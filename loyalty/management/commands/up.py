"""`manage.py up`: the whole product on one machine, in the foreground."""

import multiprocessing
import os
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from loyalty import embedded, server_home, servers, supervisor
from loyalty.server_home import ServerError
from loyalty.services import demo
from loyalty.supervisor import Child, Stopped, Supervisor

# Any number that nothing else on this database uses: whoever holds it migrates, the others wait.
MIGRATE_LOCK = 620_002
QUEUES = "interactive,bulk,webhooks"
# A web server that was just killed may hold its port while it answers its last requests.
PORT_SECONDS = 15
WEB_SECONDS = 90


class Command(BaseCommand):
    help = (
        "Starts everything: the embedded servers that no DATABASE_URL or REDIS_URL replaces, migrations, "
        "the demo's data once, web, worker and beat. Ctrl-C stops all of it."
    )
    # The tables may not exist yet.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
        parser.add_argument("--concurrency", type=int, default=2, help="Processes of the Celery worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        self.began_at = time.monotonic()
        supervisor.handle_signals(supervisor.raise_stopped)
        try:
            with supervisor.only_one(settings.SERVERS.folder):
                self._run(port=options["port"], concurrency=options["concurrency"])
        except ServerError as error:
            raise CommandError(str(error)) from error
        except Stopped:
            # Before anything ran, or a second signal while stopping.
            sys.exit(130)

    def _run(self, *, port: int, concurrency: int) -> None:
        instance, which = settings.SERVERS, embedded.needed()
        wait_for_port(port)
        kept = Supervisor(
            children=self._children(port=port, concurrency=concurrency, logs=instance.logs),
            say=self.stdout.write,
            instance=instance,
            which=which,
        )
        try:
            if which:
                self._step("Servers", lambda: servers.start(instance, which=which))
            self._step("Database", self._migrate)
            if settings.DEMO and not demo.is_loaded():
                self._load_demo()
            kept.start()
            self._wait_for_web(port, kept)
            self._banner(port, instance.logs)
            while True:
                time.sleep(0.3)
                kept.watch()
        except Stopped:
            pass
        finally:
            supervisor.handle_signals(kept.hurry)
            connection.close()
            kept.stop()

    def _children(self, *, port: int, concurrency: int, logs: Path) -> list[Child]:
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "-A", "loyalty"]
        commands = {
            "web": [
                *(*python, "gunicorn", "loyalty.wsgi:application", "--bind", f"127.0.0.1:{port}"),
                *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--preload"),
                *("--timeout", "60", "--graceful-timeout", "20", "--no-control-socket"),
            ],
            "worker": [
                *(*celery, "worker", "--queues", QUEUES, "--concurrency", str(concurrency)),
                *("--loglevel", "INFO", "--without-mingle", "--without-gossip"),
            ],
            "beat": [*celery, "beat", "--loglevel", "WARNING", "--pidfile="],
        }
        return [Child(name, command, logs / f"{name}.log") for name, command in commands.items()]

    def _migrate(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATE_LOCK])
            call_command("migrate", interactive=False, verbosity=0)
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATE_LOCK])

    def _load_demo(self) -> None:
        """Load the demo if it is not there yet, in a process of its own: it needs memory that is given back."""

        def load() -> None:
            supervisor.end_with_parent()
            try:
                call_command("demo")
            except (CommandError, Stopped) as error:
                # Laurel is of use without it; the next start goes on where this one stopped.
                self.stderr.write(f"The demo was not loaded. {error}")

        # A connection is not for two processes.
        connection.close()
        loading = multiprocessing.get_context("fork").Process(target=load)
        loading.start()
        try:
            loading.join()
        except Stopped:
            loading.terminate()
            loading.join()
            raise

    def _wait_for_web(self, port: int, kept: Supervisor) -> None:
        deadline = time.monotonic() + WEB_SECONDS
        while not _answers(f"http://127.0.0.1:{port}/healthz"):
            if time.monotonic() > deadline:
                raise ServerError(
                    f"The web server does not answer. The end of {kept.children[0].log}:\n"
                    f"{server_home.tail(kept.children[0].log)}"
                )
            time.sleep(0.2)
            kept.watch()

    def _step(self, name: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        self.stdout.write(f"{name} ...", ending=" ")
        self.stdout.flush()
        work()
        self.stdout.write(f"ready in {time.monotonic() - began:.1f} s")

    def _banner(self, port: int, logs: Path) -> None:
        lines = [
            "",
            f"  Laurel is running: {self.style.SUCCESS(f'http://127.0.0.1:{port}')}",
            f"  Logs are in {logs}; Ctrl-C stops everything.",
        ]
        if logins := demo.logins():
            lines += ["", "  Demo logins (also on the sign-in page):"]
            lines += [f"    {login.username:<14}{login.password:<26}{login.label}" for login in logins]
        lines += ["", f"  Ready after {time.monotonic() - self.began_at:.0f} s."]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def wait_for_port(port: int) -> None:
    """Return when the port is free, or raise ServerError naming the way out."""
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return
            except PermissionError as error:
                raise ServerError(f"Port {port} is not for this user. Try: PORT=8000 ./run") from error
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"Port {port} is in use by another program. Choose another: PORT={port + 1} ./run"
                    ) from error
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):  # noqa: S310 (our own address)
            return True
    except HTTPError:
        # Any answer is one: what the page says is not the supervisor's business.
        return True
    except (OSError, HTTPException):
        return False
