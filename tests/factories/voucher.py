import io
from collections.abc import Iterable
from datetime import datetime

from loyalty import clock
from offers.models import ConfigOffer, VoucherBatch
from offers.services import voucher


def import_codes(
    offer: ConfigOffer, codes: Iterable[str] | int, *, expires_at: datetime | None = None, now: datetime | None = None
) -> VoucherBatch:
    """Put codes into the offer's bank, the way a file does: `import_codes(offer, 100)` or a list of codes."""
    if isinstance(codes, int):
        begun = offer.voucher_bank.codes.count()
        codes = [f"CODE-{offer.pk}-{number:07}" for number in range(begun, begun + codes)]
    return voucher.import_file(
        bank=offer.voucher_bank,
        file=io.BytesIO("".join(f"{code}\n" for code in codes).encode()),
        file_name="codes.txt",
        expires_at=expires_at,
        actor=None,
        now=now or clock.now(),
    )
