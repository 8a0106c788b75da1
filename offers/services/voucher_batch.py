"""A set of codes that was added to a bank: taken out again as far as nobody drew them (B-17)."""

from dataclasses import dataclass
from datetime import datetime

from loyalty import patience
from loyalty.database import execute, in_transaction
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import VoucherBatch, VoucherSegment
from offers.services import voucher_staging, voucher_tape


@dataclass(frozen=True)
class Undoing:
    """What came of it: how many codes went, and how many stay because they were drawn, given or voided."""

    removed: int
    kept: int


@patience.patient()
def undo(*, batch: VoucherBatch, actor: User | None, now: datetime, api_client: ApiClient | None = None) -> Undoing:
    """Take the batch's undrawn codes out of the bank; the same codes may be imported again.

    Codes that were drawn stay where they are, also those that a run has reserved; one that comes back later goes away
    too (`voucher_tape`). Void codes stay void. Again is the same answer and changes nothing. Raises ImportRunning.

    Lock order: the bank's import, its open segments, then the batch, which whoever gives codes back shares.
    """

    def work() -> Undoing:
        voucher_staging.lock_bank(batch.bank)
        voucher_tape.lock(bank_ids=[batch.bank_id], now=now)
        found = VoucherBatch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
        if found.undone_at:
            return Undoing(found.removed, found.imported - found.removed)
        # Expired segments were not locked above; nobody draws from those.
        list(VoucherSegment.objects.select_for_update().filter(batch=found).order_by("id").values_list("id"))
        removed = execute(
            """
            DELETE FROM offers_vouchercode AS code
             USING offers_vouchersegment AS segment
             WHERE segment.batch_id = %s
               AND code.segment_id = segment.id
               AND code.position >= segment.cursor
               AND code.voided_at IS NULL
            """,
            [found.pk],
        )
        execute("UPDATE offers_vouchersegment SET size = cursor WHERE batch_id = %s AND cursor < size", [found.pk])
        found.undone_at, found.undone_by, found.removed = now, actor, found.removed + removed
        found.save(update_fields=["undone_at", "undone_by", "removed"])
        kept = found.imported - found.removed
        audit.record(
            action="voucher.import_undone",
            actor=actor,
            api_client=api_client,
            programme=found.bank.programme,
            target=found.bank,
            data={"batch": found.pk, "removed": removed, "kept": kept},
        )
        return Undoing(removed, kept)

    return in_transaction(work)
