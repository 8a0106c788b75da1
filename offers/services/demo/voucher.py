"""Codes for the coupons that need them, imported as files, as a marketer would."""

import hashlib
import io
from collections.abc import Iterable
from datetime import datetime

from loyalty.models import Programme, User
from offers.models import ConfigOffer
from offers.services import voucher
from offers.services.demo.facts import CouponFacts

# More than the targets, so that an agent finds codes too; with the least of them the bank asks for more.
SPARE = 40
# Without characters that one takes for another.
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def load(*, programme: Programme, facts: Iterable[CouponFacts], actor: User, now: datetime) -> int:
    """Fill the banks that no file was imported into yet; returns how many codes."""
    wanted = {one.coupon.reference: one for one in facts}
    offers = ConfigOffer.objects.filter(
        programme=programme, offer_reference__in=list(wanted), require_vouchers=True, voucher_bank__batches=None
    ).select_related("voucher_bank__config_offer__programme")
    imported = 0
    for offer in offers:
        one = wanted[offer.offer_reference]
        count = len(one.coupon.campaign.households) + SPARE
        batch = voucher.import_file(
            bank=offer.voucher_bank,
            file=io.BytesIO("".join(f"{code(offer.offer_reference, n)}\n" for n in range(count)).encode()),
            file_name=f"coupon-{offer.offer_reference}.txt",
            expires_at=None,
            actor=actor,
            now=now,
        )
        imported += batch.imported
    return imported


def code(reference: str, number: int) -> str:
    """Return the offer's n-th code: `LM-8QK2-7FXA-03`; the same on every installation."""
    digest = hashlib.blake2s(f"{reference}:{number}".encode(), digest_size=10).digest()
    letters = "".join(LETTERS[byte % len(LETTERS)] for byte in digest)
    return f"LM-{letters[:5]}-{letters[5:]}"
