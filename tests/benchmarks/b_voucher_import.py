"""Row B: importing a file of 500,000 voucher codes of 49 characters, unsorted, into a bank.

The limit is one COPY of the same codes, sorted and unique, into the same indexed table. The ORM's way reads the file and
the bank's codes whole, and creates what is new with bulk_create: quick to write, and all of it in memory.
"""

import io
import random
import string
import time

from django.db import connection, transaction

from loyalty import clock
from offers.models import ConfigOffer, OfferTemplate, VoucherBank, VoucherCode, VoucherSegment
from offers.services import voucher
from tests.benchmarks import harness, planting

CODES = 500_000
CHARACTERS = string.ascii_uppercase + string.digits


def run(*, n: int = CODES, repeats: int = 5) -> None:
    """Measure the three ways in turn, each into an empty table."""
    # A fixed seed: the codes only have to be unlike each other.
    chosen = random.Random(1)
    codes = ["".join(chosen.choices(CHARACTERS, k=49)) for _number in range(n)]
    content = "".join(f"{code}\n" for code in codes).encode()
    template: OfferTemplate = planting.offer(planting.programme(), "import", require_vouchers=True)
    bank = VoucherBank.objects.select_related("config_offer__programme").get(config_offer=template.config_offer)
    ordered = sorted(codes)

    def fresh() -> VoucherSegment:
        harness.execute("TRUNCATE offers_vouchercode")
        harness.settle()
        return VoucherSegment.objects.create(bank=bank, size=n)

    def limit() -> float:
        segment = fresh()

        def copy() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                into = "COPY offers_vouchercode (bank_id, segment_id, position, code) FROM STDIN"
                with cursor.copy(into) as target:
                    for first in range(0, n, 10_000):
                        target.write(
                            "".join(
                                f"{bank.pk}\t{segment.pk}\t{position}\t{code}\n"
                                for position, code in enumerate(ordered[first : first + 10_000], first)
                            ).encode()
                        )

        return harness.stopwatch(copy)

    def ours() -> float:
        fresh()
        begun = time.perf_counter()
        batch = voucher.import_file(
            bank=bank, file=io.BytesIO(content), file_name="codes.txt", expires_at=None, actor=None, now=clock.now()
        )
        assert batch.imported == n
        return time.perf_counter() - begun

    def orm() -> float:
        segment = fresh()

        @transaction.atomic
        def create() -> None:
            held = set(VoucherCode.objects.filter(bank=bank).values_list("code", flat=True))
            rows = [code for code in dict.fromkeys(content.decode().splitlines()) if code not in held]
            VoucherCode.objects.bulk_create(
                (
                    VoucherCode(bank=bank, segment=segment, position=position, code=code)
                    for position, code in enumerate(rows)
                ),
                batch_size=5000,
            )

        return harness.stopwatch(create)

    assert bank.config_offer.state == ConfigOffer.State.PUBLISHED
    seconds = harness.interleaved({"limit": limit, "ours": ours, "orm": orm}, repeats=repeats)
    middle = {name: harness.median(values) for name, values in seconds.items()}
    harness.report(
        "B import of voucher codes",
        n=n,
        seconds=middle["ours"],
        ratio_to_limit=middle["ours"] / middle["limit"],
        ratio_to_orm=middle["orm"] / middle["ours"],
    )
