"""Row M: a run of a million members taken back whole: assignments, events, outbox, and the codes that nobody saw (B-04).

The limit is the same change in bare SQL, one statement a table, in one session and transaction. The usual way loads,
changes and saves a member's assignment and its code, and writes its event, a member at a time.
"""

import time
from typing import Any

from django.db import transaction

from tests.benchmarks import harness, planting
from tests.benchmarks.a_mass_assignment import Scene, at_work

WRITTEN = "offers_massassignmentundo, offers_massassignmentundochunk, offers_keptassignment, offers_assignmentevent"
BARE = (
    """
    INSERT INTO offers_assignmentevent (assignment_id, at, verb, source, data)
    SELECT held.id, now(), 'undone', 2, jsonb_build_object(
               'run', held.run_id, 'revoked_at', jsonb_build_array(NULL, now()),
               'holding_key', jsonb_build_array(held.holding_key, NULL),
               'voucher_code', jsonb_build_array(jsonb_build_object('id', code.id, 'code', code.code), NULL))
      FROM offers_assignment AS held JOIN offers_vouchercode AS code ON code.id = held.voucher_code_id
     WHERE held.run_id = %s
     ORDER BY held.id
    """,
    """
    UPDATE offers_vouchercode AS code SET position = position
      FROM offers_assignment AS held WHERE held.run_id = %s AND held.voucher_code_id = code.id
    """,
    """
    UPDATE offers_assignment
       SET revoked_at = now(), updated_at = now(), holding_key = NULL, voucher_code_id = NULL
     WHERE run_id = %s
    """,
)


class Undo(Scene):
    """A finished run of everybody, and the ways to take it back."""

    def fresh(self) -> Any:
        """Assign everybody anew, each from the same beginning; return the run."""
        from offers.models import MassAssignment

        harness.execute(f"TRUNCATE {WRITTEN} CASCADE")
        planting.return_codes(self.segment)
        self.engine()
        harness.execute("VACUUM ANALYZE offers_assignment")
        harness.execute("VACUUM ANALYZE offers_vouchercode")
        harness.settle()
        return MassAssignment.objects.get(state="finished", name="Bench")

    def ours(self) -> float:
        """Begin the undo and take all chunks back with two workers."""
        from loyalty import clock
        from offers.services import mass_assignment_undo

        run, bank = self.fresh(), self.segment.bank_id
        work = at_work(run.pk, "mass_assignment_undo")
        next(work)
        self.peaks.clear()
        begun = time.perf_counter()
        mass_assignment_undo.start(run=run, actor=None, now=clock.now())
        self.peaks += next(work)
        seconds = time.perf_counter() - begun
        next(work, None)
        run.refresh_from_db()
        left = harness.value(
            "SELECT count(*) FROM offers_assignment WHERE run_id = %s AND revoked_at IS NULL", [run.pk]
        )
        free = harness.value("SELECT sum(size - cursor) FROM offers_vouchersegment WHERE bank_id = %s", [bank])
        if (run.state, left, free) != ("undone", 0, self.n):
            raise SystemExit(f"The undo ended as {run.state}: {left} left, {free} codes free of {self.n}.")
        return seconds

    def limit(self) -> float:
        run = self.fresh()

        def take_back() -> None:
            with transaction.atomic():
                for statement in BARE:
                    harness.execute(statement, [run.pk])

        return harness.stopwatch(take_back)

    def usual(self, n: int) -> float:
        """Return the seconds that `n` members take a member at a time."""
        from loyalty import clock
        from loyalty.models import OutboxEvent
        from offers.models import Assignment, AssignmentEvent

        run, now = self.fresh(), clock.now()
        held = list(Assignment.objects.filter(run_id=run.pk).order_by("id").values_list("pk", flat=True)[:n])

        def take_back() -> None:
            for key in held:
                with transaction.atomic():
                    one = Assignment.objects.select_for_update(of=("self",)).select_related("voucher_code").get(pk=key)
                    code, one.voucher_code = one.voucher_code, None
                    assert code is not None
                    one.revoked_at, one.holding_key = now, None
                    one.save(update_fields=["revoked_at", "holding_key", "voucher_code", "updated_at"])
                    code.save(update_fields=["position"])
                    AssignmentEvent.objects.create(
                        assignment=one, at=now, verb="undone", source=2, data={"run": run.pk}
                    )
                    OutboxEvent.objects.create(
                        programme=self.programme, type="assignment.revoked", assignment_ids=[one.pk], size=1
                    )

        return harness.stopwatch(take_back)


def run(*, n: int, repeats: int = 5, orm_n: int = 2_000) -> None:
    """Measure and report; raises SystemExit when an undo did not take everything back."""
    scene = Undo(n)
    scene.ours()
    seconds = harness.interleaved({"ours": scene.ours, "limit": scene.limit}, repeats=repeats)
    peak = max(scene.peaks)
    usual = scene.usual(orm_n) / orm_n
    ours, limit = harness.median(seconds["ours"]), harness.median(seconds["limit"])
    harness.report(
        "M undo of a run",
        n=n,
        seconds=ours,
        ratio_to_limit=ours / limit,
        ratio_to_orm=usual / (ours / n),
        rows_per_second=int(n / ours),
        worker_peak_mib=peak // 1024,
    )
