"""Keeping the processes of one machine running: web, worker, beat, and the embedded servers below them.

As a command, `python -m loyalty.supervisor` stops a running one and the servers (`./run stop`).
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO, cast

import environ

from loyalty import embedded, server_home, servers
from loyalty.embedded import Instance
from loyalty.server_home import ServerError

# The longest wait for requests and tasks in hand; what is cut off then is repaired by leases and sweepers.
STOP_SECONDS = 30
LONGEST_PAUSE = 30.0
# A child that lived this long had a good start: its next failure is a new one.
HEALTHY_SECONDS = 60
WATCH_SECONDS = 3
PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """A signal asked to stop; not an Exception, so that no handler below swallows it."""


@dataclass
class Child:
    """One process to keep running."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    due_at: float = 0.0

    def start(self) -> None:
        parent = os.getpid()

        def before() -> None:
            end_with_parent()
            if os.getppid() != parent:
                os._exit(1)

        with server_home.open_log(self.log) as output:
            self.process = subprocess.Popen(  # noqa: S603 (our own commands)
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A session of its own: Ctrl-C reaches only the supervisor, which stops things in order.
                start_new_session=True,
                preexec_fn=before,
            )
        self.started_at = time.monotonic()

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def sweep(self) -> None:
        """Kill what a dead child left of its own children."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


@dataclass
class Supervisor:
    """Runs children until a signal comes, starting again what ends, slower each time it ends at once."""

    children: Sequence[Child]
    say: Callable[[str], None]
    instance: Instance
    # The embedded servers in use; empty with servers of one's own.
    which: Sequence[str] = ()
    hurried: bool = field(default=False, init=False)
    watched_at: float = field(default=0.0, init=False)

    def start(self) -> None:
        for child in self.children:
            child.start()

    def watch(self) -> None:
        """Notice what ended and start it again when its pause is over; call it a few times a second."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                self._note_end(child, code, now)
            elif child.process is None and now >= child.due_at:
                child.start()
        if self.which and now - self.watched_at >= WATCH_SECONDS:
            self.watched_at = now
            self._watch_servers()

    def stop(self) -> None:
        """Stop web and workers, then Valkey, then PostgreSQL; a second signal meanwhile cuts the waiting."""
        self.say("Stopping " + ", ".join(child.name for child in self.children) + " ...")
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.process and child.process.poll() is None for child in self.children):
            if self.hurried or time.monotonic() > deadline:
                self.say("Ending what has not ended yet. Its work is taken up at the next start.")
                break
            time.sleep(0.1)
        for child in self.children:
            child.signal(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()
            child.sweep()
        if self.which:
            self.say("Stopping " + " and ".join(_title(name) for name in reversed(self.which)) + " ...")
            servers.stop(self.instance, which=self.which)
        self.say("Stopped.")

    def hurry(self, number: int, frame: FrameType | None) -> None:
        """Cut the waiting short: the signal handler while stopping."""
        self.hurried = True

    def _note_end(self, child: Child, code: int, now: float) -> None:
        child.sweep()
        child.process = None
        child.failures = 0 if now - child.started_at > HEALTHY_SECONDS else child.failures + 1
        pause = min(LONGEST_PAUSE, 2.0 ** max(0, child.failures - 1))
        child.due_at = now + pause
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.say(f"{child.name} ended ({how}); starting it again in {pause:.0f} s. The end of {child.log}:")
        self.say(server_home.tail(child.log, lines=6))

    def _watch_servers(self) -> None:
        running = {"postgres": servers.postgres_is_running, "valkey": servers.valkey_is_running}
        ended = [name for name in self.which if not running[name](self.instance)]
        if not ended:
            return
        self.say(" and ".join(_title(name) for name in ended) + " ended; starting again ...")
        try:
            servers.start(self.instance, which=ended)
        except ServerError as error:
            self.say(str(error))


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the supervisor's lock of a checkout, or raise ServerError saying who holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise ServerError(f"{folder} cannot be made by user {server_home.user_name(os.geteuid())}.") from error
    with _open_lock(folder) as file:
        if not _try_lock(file.fileno()):
            holder = _holder(folder)
            raise ServerError(
                f"Laurel is already running in this folder (process {holder}). "
                "Stop it with Ctrl-C where it runs, or with ./run stop."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when this process's parent ends: killed with SIGKILL it cannot tell anybody."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def handle_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    """Let Ctrl-C, a plain kill and a closed terminal all mean the same."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def raise_stopped(number: int, frame: FrameType | None) -> None:
    """Handle a signal outside of stopping."""
    raise Stopped


def stop_everything(base: Path) -> None:
    """Stop the supervisor of a checkout if one runs, and its embedded servers; raise ServerError."""
    instance = embedded.addresses(base)
    if instance.folder.exists():
        with _open_lock(instance.folder) as file:
            if not _try_lock(file.fileno()):
                process = _holder(instance.folder)
                os.kill(process, signal.SIGTERM)
                deadline = time.monotonic() + STOP_SECONDS + servers.STOP_SECONDS
                while not _try_lock(file.fileno()):
                    if time.monotonic() > deadline:
                        raise ServerError(f"Process {process} does not stop. Try: kill -9 {process}")
                    time.sleep(0.1)
    servers.stop(instance)


def _open_lock(folder: Path) -> TextIO:
    path = folder / "up.lock"
    try:
        return cast(TextIO, os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+"))
    except PermissionError as error:
        owner = server_home.user_name(folder.stat().st_uid)
        raise ServerError(f"{folder} belongs to user {owner}. Run as that user, or as root.") from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(folder: Path) -> int:
    # The holder writes its number just after locking.
    for _ in range(20):
        if text := (folder / "up.lock").read_text():
            return int(text)
        time.sleep(0.05)
    raise ServerError("Laurel is just starting in this folder.")


def _title(server: str) -> str:
    return {"postgres": "PostgreSQL", "valkey": "Valkey"}[server]


class _NoPrctl:
    """Where the kernel has no such thing (macOS): children of a killed supervisor stay until stopped."""

    @staticmethod
    def prctl(*arguments: int) -> int:
        return 0


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else _NoPrctl()


def main() -> int:
    base = Path(__file__).resolve().parent.parent
    environ.Env.read_env(base / ".env")
    try:
        stop_everything(base)
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
