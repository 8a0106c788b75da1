"""Row A: a mass assignment with a code each, events and outcomes per member, by two workers.

The limit is one session's binary COPY of *all* rows that the run writes (audience, assignments, outbox, chunks) into the
same indexed tables. The ORM's way locks a free code, asks whether the member has the offer, and creates the rows, a
member at a time; bulk_create + bulk_update is the better of the usual ways.
"""

import io
import multiprocessing
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from tests.benchmarks import harness, planting, worker

# What a run writes, in the order in which it is copied back.
WRITTEN = ("offers_audiencemember", "offers_massassignmentchunk", "offers_assignment", "loyalty_outboxevent")
WORKERS = 2
FEW_DATABASE = f"{harness.NAME}_few"


def at_work(run_id: int, module: str) -> Iterator[list[int]]:
    """Start workers that wait; let them go at the next step, which yields their peaks (KiB) when all is done."""
    context = multiprocessing.get_context("spawn")
    ready, go, peaks = context.Semaphore(0), context.Event(), context.Queue()
    workers = [
        context.Process(target=worker.work, args=(harness.database_name(), run_id, ready, go, peaks, module))
        for _ in range(WORKERS)
    ]
    for process in workers:
        process.start()
    for _ in workers:
        if not ready.acquire(timeout=60):
            raise SystemExit("A worker of the bench did not start.")
    yield []
    go.set()
    yield [peaks.get(timeout=900) for _ in workers]
    for process in workers:
        process.join()


class Scene:
    """A million members, their offer, its bank, and the ways to assign it."""

    def __init__(self, n: int, *, existing: int = 0) -> None:
        self.n = n
        self.existing = existing
        self.programme = planting.programme()
        planting.members(self.programme, count=n)
        # Several rows assign; each has an offer of its own.
        number = harness.value("SELECT count(*) FROM offers_configoffer")
        self.template = planting.offer(self.programme, f"coffee-{number}", require_vouchers=True)
        self.segment = planting.codes(self.template, count=n)
        self.version = planting.everybody(self.programme)
        self.saved: dict[str, bytes] = {}
        self.phases: list[tuple[float, float]] = []
        self.peaks: list[int] = []

    def empty(self) -> None:
        """Take every written row away, without a trace in the tables."""
        if self.existing:
            # What was there before stays: only the run before is taken away.
            harness.execute("DELETE FROM offers_assignment WHERE run_id IS NOT NULL")
            harness.execute("VACUUM ANALYZE offers_assignment")
        written = [table for table in WRITTEN if not (self.existing and table == "offers_assignment")]
        harness.execute("TRUNCATE " + ", ".join([*written, "offers_codereservation"]))
        harness.execute("UPDATE offers_vouchersegment SET cursor = 0 WHERE id = %s", [self.segment.pk])
        harness.execute("DELETE FROM offers_massassignment")
        harness.execute("VACUUM ANALYZE offers_vouchersegment")
        harness.settle()

    def engine(self) -> float:
        """Plan and execute with two workers; freezing and executing together are measured."""
        from loyalty import clock
        from offers.services import execution, mass_assignment

        self.empty()
        run = mass_assignment.create(
            programme=self.programme, template=self.template, targeting_version=self.version, name="Bench",
            campaign=None, terms={}, rank=None, actor=None, now=clock.now(),
        )  # fmt: skip
        mass_assignment.launch(run=run, actor=None, now=clock.now())
        work = at_work(run.pk, "execution")
        next(work)
        begun = time.perf_counter()
        execution.plan(run_id=run.pk, now=clock.now())
        planned = time.perf_counter()
        self.peaks += next(work)
        ended = time.perf_counter()
        next(work, None)
        self.phases.append((planned - begun, ended - planned))
        self._check(run)
        if not self.saved and not self.existing:
            self._save(run.pk)
        return ended - begun

    def _check(self, run: Any) -> None:
        run.refresh_from_db()
        distinct = harness.value(
            "SELECT count(DISTINCT voucher_code_id) FROM offers_assignment WHERE run_id = %s", [run.pk]
        )
        told = harness.value("SELECT sum(size) FROM loyalty_outboxevent")
        if (run.state, distinct, told) != ("finished", self.n, self.n):
            raise SystemExit(f"The run ended as {run.state} with {distinct} codes and {told} told, not {self.n}.")

    def _save(self, run_id: int) -> None:
        self.run_id = run_id
        with connection.cursor() as cursor:
            for table in WRITTEN:
                buffer = io.BytesIO()
                with cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
                    for block in copy:
                        buffer.write(block)
                self.saved[table] = buffer.getvalue()

    def limit(self) -> float:
        """COPY the finished rows of a run back into the same tables, in one session and transaction."""
        self.empty()
        self._run_row()

        def copy_all() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                for table in WRITTEN:
                    with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
                        view = memoryview(self.saved[table])
                        for start in range(0, len(view), 1 << 20):
                            copy.write(view[start : start + (1 << 20)])

        return harness.stopwatch(copy_all)

    def _run_row(self) -> None:
        """The chunks refer to their run: put it back under the same id."""
        from offers.models import MassAssignment

        MassAssignment.objects.create(
            pk=self.run_id, programme=self.programme, name="Copied", state="finished",
            config_offer=self.template.config_offer, template=self.template,
        )  # fmt: skip

    def orm(self, n: int) -> float:
        """The usual way, a member at a time; returns seconds for `n` members."""
        from loyalty import clock
        from loyalty.models import Member, OutboxEvent
        from offers.models import Assignment, VoucherCode

        self.empty()
        offer, now = self.template.config_offer, clock.now()
        # Which codes are free has to be asked of the rows themselves: there is no cursor in this way.
        members = list(Member.objects.filter(programme=self.programme).order_by("id")[:n])

        def assign_all() -> None:
            for member in members:
                with transaction.atomic():
                    if Assignment.objects.select_for_update().filter(member=member, config_offer=offer).exists():
                        continue
                    code = (
                        VoucherCode.objects.select_for_update(skip_locked=True)
                        .filter(bank=offer.voucher_bank, voided_at__isnull=True)
                        .order_by("id")
                        .first()
                    )
                    made = Assignment(
                        member=member, config_offer=offer, revision_id=offer.current_revision_id,
                        template=self.template, source=2, holding_key=1, voucher_code=code, issued_at=now,
                        synchronized_at=now,
                    )  # fmt: skip
                    made.save(force_insert=True)
                    code.voided_at = now  # the row's own mark that it is taken
                    code.save(update_fields=["voided_at"])
                    OutboxEvent.objects.create(
                        programme=self.programme, type="assignment.created", assignment_ids=[made.pk], size=1
                    )

        seconds = harness.stopwatch(assign_all)
        self._free_codes()
        return seconds

    def bulk(self, n: int) -> float:
        """The better usual way: bulk_create and bulk_update in batches of a thousand."""
        from django.db.models import QuerySet

        from loyalty import clock
        from loyalty.models import Member, OutboxEvent
        from offers.models import Assignment, VoucherCode

        self.empty()
        offer, now = self.template.config_offer, clock.now()

        def assign_all() -> None:
            members = list(Member.objects.filter(programme=self.programme).order_by("id")[:n])
            for start in range(0, n, 1000):
                batch = members[start : start + 1000]
                with transaction.atomic():
                    codes = list(
                        VoucherCode.objects.select_for_update(skip_locked=True)
                        .filter(bank=offer.voucher_bank, voided_at__isnull=True)
                        .order_by("id")[: len(batch)]
                    )
                    made = [
                        Assignment(
                            id=uuid.uuid4(), member=member, config_offer=offer, revision_id=offer.current_revision_id,
                            template=self.template, source=2, holding_key=1, voucher_code=code, issued_at=now,
                            synchronized_at=now,
                        )
                        for member, code in zip(batch, codes, strict=True)
                    ]  # fmt: skip
                    # Past the queryset's own refusal: this is what the product never does.
                    QuerySet.bulk_create(Assignment.objects.all(), made)
                    for code in codes:
                        code.voided_at = now
                    VoucherCode.objects.bulk_update(codes, ["voided_at"])
                    OutboxEvent.objects.bulk_create(
                        OutboxEvent(programme=self.programme, type="assignment.created", assignment_ids=[a.pk], size=1)
                        for a in made
                    )

        seconds = harness.stopwatch(assign_all)
        self._free_codes()
        return seconds

    def _free_codes(self) -> None:
        harness.execute("UPDATE offers_vouchercode SET voided_at = NULL WHERE voided_at IS NOT NULL")
        harness.execute("VACUUM ANALYZE offers_vouchercode")


def run(*, n: int = 1_000_000, repeats: int = 5, orm_n: int = 2_000, bulk_n: int = 20_000) -> None:
    """Measure and report; raises SystemExit when a run did not end exactly as it should."""
    scene = Scene(n)
    scene.engine()  # a warm-up that also keeps the rows for the limit
    first = scene.phases.pop()
    scene.peaks.clear()
    seconds = harness.interleaved({"engine": scene.engine, "limit": scene.limit}, repeats=repeats)
    orm = harness.median([scene.orm(orm_n) for _ in range(3)]) / orm_n
    bulk = harness.median([scene.bulk(bulk_n) for _ in range(3)]) / bulk_n
    engine, limit = harness.median(seconds["engine"]), harness.median(seconds["limit"])
    harness.report(
        "A",
        n=n,
        seconds=engine,
        ratio_to_limit=engine / limit,
        ratio_to_orm=orm / (engine / n),
        ratio_to_bulk=round(bulk / (engine / n), 1),
        freezing_seconds=round(harness.median([phase[0] for phase in scene.phases]), 3),
        executing_seconds=round(harness.median([phase[1] for phase in scene.phases]), 3),
        from_empty_seconds=round(sum(first), 3),
        rows_per_second=int(n / engine),
        slowest_to_fastest=round(max(seconds["engine"]) / min(seconds["engine"]), 2),
        worker_peak_mib=max(scene.peaks) // 1024,
    )


def run_growth(*, n: int = 1_000_000, repeats: int = 5, few: int = 10_000, many: int = 10_000_000) -> None:
    """Measure the same job into a table that holds few assignments and into one that holds many, in turn."""
    scenes = {"few": Scene(n, existing=few)}
    members = max(few, n)
    planting.assignments(scenes["few"].programme, count=few, members=members)
    harness.copy_database(FEW_DATABASE)
    scenes["many"] = scenes["few"]
    planting.assignments(scenes["few"].programme, count=many - few, members=members)

    def into(name: str) -> float:
        harness.use_database(harness.NAME if name == "many" else FEW_DATABASE)
        return scenes[name].engine()

    for name in scenes:
        into(name)
    seconds = harness.interleaved({name: lambda name=name: into(name) for name in scenes}, repeats=repeats)
    harness.use_database(harness.NAME)
    harness.report(
        "A-growth",
        n=n,
        seconds=harness.median(seconds["many"]),
        ratio_to_limit=0.0,
        ratio_to_orm=0.0,
        existing={"few": few, "many": many},
        many_to_few=round(statistics.median(b / a for a, b in zip(seconds["few"], seconds["many"], strict=True)), 2),
        seconds_into={name: round(harness.median(values), 3) for name, values in seconds.items()},
    )


if __name__ == "__main__":
    sys.exit("Use ./run bench A")
