"""Row D: a member's list of 8 usable offers out of 10, served by gunicorn, beside bare SQL and the usual DRF way.

Each way has the same server, the same two processes of four threads, and the same clients: eight kept-alive connections
of one process that ask for random members for some seconds. Measured with 10,000,000 rows in the table, and Laurel with
10,000 in a database beside it. The machine drifts, so each ratio is the median of the ratios within a round.
"""

import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from loyalty import clock
from loyalty.models import Member
from loyalty.services import member_token
from offers.models import OfferTemplate
from tests.benchmarks import harness, planting

OFFERS, USABLE = 10, 8
CONNECTIONS, SECONDS = 8, 4.0
# Long enough for every connection to prepare its statement, and every process to read most tokens once.
WARM_UP_SECONDS = 8.0
FEW_MEMBERS = 1_000
# Each comes back with the same token, as an app does: most of her requests find its signature checked.
ASKING = 500
PORTS = {"laurel": 8791, "bare": 8792, "usual": 8793, "laurel_few": 8794}
FEW_DATABASE = f"{harness.NAME}_few"


def _plant(templates: list[OfferTemplate], *, first: int, last: int) -> None:
    """Give members first … last (by order of id) all ten offers; two of the ten are used up."""
    for number, template in enumerate(templates):
        harness.execute(
            """
            INSERT INTO offers_assignment
                   (member_id, config_offer_id, revision_id, template_id, source, holding_key, rank, starts_at, ends_at,
                    acceptance_required, exposure_minor, issued_at, synchronized_at, used_up_at, updated_at)
            SELECT id, %s, %s, %s, 2, 1, %s, now(), now() + interval '30 days', false, 0, now(), now(),
                   CASE WHEN %s THEN now() END, now()
              FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM loyalty_member) AS member
             WHERE place BETWEEN %s AND %s
             ORDER BY id
            """,
            [
                template.config_offer_id, template.config_offer.current_revision_id, template.pk, number,
                number >= USABLE, first, last,
            ],
        )  # fmt: skip
    harness.execute("VACUUM ANALYZE offers_assignment")
    harness.settle()


class Server:
    """One way behind gunicorn."""

    def __init__(self, way: str) -> None:
        self.way = way
        environment = os.environ | {
            "DATABASE_URL": harness.database_url(FEW_DATABASE if way == "laurel_few" else harness.NAME),
            "LAUREL_BENCH_WAY": way.removesuffix("_few"),
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", "2", "--threads", "4",
                   "--keep-alive", "60", "--bind", f"127.0.0.1:{PORTS[way]}", "--log-level", "warning",
                   "tests.benchmarks.d_servers:application"]  # fmt: skip
        self.process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", PORTS[way]), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"The server for {way} did not start.")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def _client(
    way: str, requests: list[bytes], until: float, counts: list[int], sizes: list[int], wrong: list[str]
) -> None:
    """Ask over one kept-alive connection until the time is up; count whole answers with status 200."""
    randomly = random.Random(len(counts))
    with socket.create_connection(("127.0.0.1", PORTS[way])) as connection:
        file = connection.makefile("rb", buffering=65536)
        done = 0
        while time.monotonic() < until:
            connection.sendall(randomly.choice(requests))
            status = file.readline()
            if b" 200 " not in status:
                wrong.append(f"{way} answered {status!r}")
                return
            length = 0
            while (line := file.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if not length:
                wrong.append(f"{way} did not say how long its answer is")
                return
            file.read(length)
            sizes[0] = length
            done += 1
    counts.append(done)


def _load(way: str, requests: list[bytes], seconds: float) -> tuple[float, int]:
    """Return requests per second and the size of an answer."""
    counts: list[int] = []
    sizes, wrong = [0], list[str]()
    begun = time.monotonic()
    threads = [
        threading.Thread(target=_client, args=(way, requests, begun + seconds, counts, sizes, wrong))
        for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) != CONNECTIONS:
        raise SystemExit(wrong[0] if wrong else f"A client of {way} lost its connection.")
    return sum(counts) / (time.monotonic() - begun), sizes[0]


def _requests(planted: list[int]) -> Mapping[str, list[bytes]]:
    now = clock.now()

    def some(ids: list[int]) -> list[Member]:
        return list(Member.objects.filter(pk__in=random.Random(1).sample(ids, min(ASKING, len(ids)))))

    members, few = some(planted), some(planted[:FEW_MEMBERS])

    def request(path: str, header: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{header}\r\n\r\n".encode()

    def lists(of: list[Member]) -> list[bytes]:
        return [
            request("/api/v1/me/offers", f"Authorization: Bearer {member_token.mint(member=m, now=now)}") for m in of
        ]

    return {
        "laurel": lists(members),
        "laurel_few": lists(few),
        "bare": [request("/", f"X-Member: {m.pk}") for m in members],
        "usual": [request("/offers", f"X-Member: {m.pk}") for m in members],
    }


def _measure(programme: Any, *, repeats: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Return every way's requests per second by round, and the size of its answers."""
    requests = _requests(list(Member.objects.filter(programme=programme).order_by("id").values_list("pk", flat=True)))
    servers = [Server(way) for way in PORTS]
    sizes: dict[str, int] = {}
    rates: dict[str, list[float]] = {way: [] for way in PORTS}
    try:
        for way in PORTS:
            _load(way, requests[way], WARM_UP_SECONDS)
        for number in range(repeats):
            for way in PORTS:
                rate, sizes[way] = _load(way, requests[way], SECONDS)
                rates[way].append(rate)
                print(f"  {number + 1}/{repeats} {way}: {rate:.0f} requests/s", file=sys.stderr, flush=True)
    finally:
        for server in servers:
            server.stop()
    return rates, sizes


def run(*, n: int = 1_000_000, repeats: int = 5) -> None:
    """Plant a few members' offers, copy the database, plant the other members' of `n`; measure and report."""
    harness.execute("TRUNCATE offers_assignment")
    programme = planting.programme()
    planting.members(programme, count=n)
    templates = [planting.offer(programme, f"list-{number}") for number in range(OFFERS)]
    few = min(FEW_MEMBERS, n // 2)
    _plant(templates, first=1, last=few)
    harness.copy_database(FEW_DATABASE)
    _plant(templates, first=few + 1, last=n)
    rates, sizes = _measure(programme, repeats=repeats)

    def ratio(way: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(rates[way], rates[other], strict=True))

    harness.report(
        "D",
        n=n * OFFERS,
        seconds=1 / statistics.median(rates["laurel"]),
        ratio_to_limit=ratio("bare", "laurel"),
        ratio_to_orm=ratio("laurel", "usual"),
        share_of_limit=round(ratio("laurel", "bare"), 3),
        large_to_small=round(ratio("laurel", "laurel_few"), 2),
        requests_per_second={way: round(statistics.median(values)) for way, values in rates.items()},
        answer_bytes=sizes,
        persistent_connections=settings.DATABASES["default"]["CONN_MAX_AGE"] > 0,
    )
