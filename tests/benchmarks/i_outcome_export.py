"""Row I, for runs: the outcomes of a run of a million members as a file (S4-27).

The limit is one COPY of the same columns, joined freely, into memory by parts of 1 MiB. The usual way reads model
instances with their members and writes them with Python's csv. Peaks are a process' own, above what it had loaded.
"""

import csv
import io
import multiprocessing
from typing import Any

from django.db import connection

from tests.benchmarks import harness, worker
from tests.benchmarks.a_mass_assignment import Scene

BARE = """
COPY (
    SELECT member.external_id, 'assigned', '', held.id, held.issued_at, held.ends_at, held.seen_at, held.accepted_at,
           held.revoked_at
      FROM offers_audiencemember AS audience
      JOIN loyalty_member AS member ON member.id = audience.member_id
      LEFT JOIN offers_assignment AS held ON held.member_id = audience.member_id AND held.run_id = audience.run_id
     WHERE audience.run_id = %s
     ORDER BY audience.member_id
) TO STDOUT (FORMAT csv)
"""
FORMATS = ("csv", "parquet", "xlsx")


def run(*, n: int, repeats: int = 5, orm_n: int = 20_000) -> None:
    """Assign everybody once, then export in turn with COPY; report a line for each format."""
    from offers.models import MassAssignment

    scene = Scene(n)
    scene.engine()
    harness.execute("VACUUM ANALYZE offers_assignment")
    harness.execute("VACUUM ANALYZE offers_audiencemember")
    run = MassAssignment.objects.get(state="finished", name="Bench")
    context = multiprocessing.get_context("spawn")
    grown: dict[str, list[int]] = {name: [] for name in FORMATS}
    sizes: dict[str, int] = {}

    def ours(file_format: str) -> float:
        answer = context.Queue()
        process = context.Process(target=worker.export, args=(harness.database_name(), run.pk, file_format, answer))
        process.start()
        seconds, kib, sizes[file_format] = answer.get(timeout=1800)
        process.join()
        grown[file_format].append(kib)
        return float(seconds)

    def limit() -> float:
        def copy() -> None:
            with connection.cursor() as cursor, cursor.copy(BARE, [run.pk]) as lines:
                for _ in lines:
                    pass

        return harness.stopwatch(copy)

    seconds = harness.interleaved(
        {"limit": limit, **{name: lambda name=name: ours(name) for name in FORMATS}}, repeats=repeats
    )
    usual = harness.stopwatch(lambda: _usual(run, orm_n)) / orm_n
    middle = {name: harness.median(values) for name, values in seconds.items()}
    for name in FORMATS:
        harness.report(
            f"I outcomes of a run, {name}",
            n=n,
            seconds=middle[name],
            ratio_to_limit=middle[name] / middle["limit"],
            ratio_to_orm=usual / (middle[name] / n),
            peak_mib_above_loaded=max(grown[name]) // 1024,
            megabytes=sizes[name] // 1_000_000,
        )


def _usual(run: Any, n: int) -> str:
    from offers.models import Assignment

    into = io.StringIO()
    lines = csv.writer(into)
    for one in Assignment.objects.filter(run_id=run.pk).select_related("member").order_by("member_id")[:n]:
        lines.writerow(
            [one.member.external_id, "assigned", "", one.pk, one.issued_at, one.ends_at, one.seen_at, one.accepted_at,
             one.revoked_at]
        )  # fmt: skip
    return into.getvalue()
