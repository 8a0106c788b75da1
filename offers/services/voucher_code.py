"""One code of a bank: made void, so that nobody is given it and it never comes back."""

from datetime import datetime

from loyalty.database import in_transaction
from loyalty.errors import NotFound
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import VoucherBank, VoucherCode, VoucherSegment


class CodeNotFound(NotFound):
    """The bank has no such code."""

    code = "unknown_voucher_code"


def void(
    *,
    bank: VoucherBank,
    code: str,
    reason: str,
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> VoucherCode:
    """Make a code void. One that nobody drew leaves the tape: it changes places with its segment's last undrawn one.

    One that was drawn stays with its assignment and does not go back. Again is the same answer and changes nothing.
    Raises CodeNotFound. Lock order: the code's segment, as whoever draws, then the code. (DESIGN 4)
    """

    def work() -> VoucherCode:
        missing = CodeNotFound("There is no such code in this bank.")
        seen = VoucherCode.objects.filter(bank=bank, code=code).first()
        if seen is None:
            raise missing
        segment = VoucherSegment.objects.select_for_update().filter(pk=seen.segment_id or 0).first()
        found = VoucherCode.objects.select_for_update().filter(pk=seen.pk).first()
        if found is None:
            # An undo took it away meanwhile.
            raise missing
        if found.segment_id != seen.segment_id:
            # It went back into a new segment meanwhile: look again.
            return work()
        if found.voided_at:
            return found
        if segment and found.position is not None and found.position >= segment.cursor:
            _leave_tape(found, segment)
        found.voided_at = now
        found.save(update_fields=["voided_at"])
        audit.record(
            action="voucher_code.voided",
            actor=actor,
            api_client=api_client,
            programme=bank.programme,
            target=bank,
            # The id, not the code: the audit is read by more people than may read codes (D-10).
            data={"code_id": found.pk, "reason": reason},
        )
        return found

    return in_transaction(work)


def _leave_tape(found: VoucherCode, segment: VoucherSegment) -> None:
    """Put the code behind the segment's end; the last undrawn one takes its place, so that positions stay dense."""
    mine = found.position
    if mine is None or mine >= segment.size:
        # Codes that wait for their export stand behind an end that is still 0.
        undrawn = VoucherCode.objects.filter(segment=segment, voided_at__isnull=True)
        last = undrawn.order_by("-position")[0]
    else:
        last = VoucherCode.objects.get(segment=segment, position=segment.size - 1)
        segment.size -= 1
        segment.save(update_fields=["size"])
    if last.pk == found.pk:
        return
    found.position = last.position
    # A position holds one code at every moment, so the swap goes by none.
    VoucherCode.objects.filter(pk=found.pk).update(position=None)
    VoucherCode.objects.filter(pk=last.pk).update(position=mine)
    VoucherCode.objects.filter(pk=found.pk).update(position=found.position)
