"""Cutting a frozen audience to what codes and limits are there for: the first ones by ordinal (B-01).

Who is cut off keeps the outcome of what ran out, with the reason `cut`; what is reserved afterwards is for the others,
all or nothing.
"""

from collections.abc import Iterator
from datetime import datetime

from loyalty.database import execute, rows
from offers.models import ConfigOffer, MassAssignment
from offers.services import limit, reservation, voucher_tape

# Counts the first ones, in the order of their ordinals, who together cost no more than is left.
WITHIN = """
    SELECT count(*) AS n
      FROM (SELECT sum((given ->> 'exposure_minor')::bigint) OVER (ORDER BY ordinal) AS spent
              FROM offers_audiencemember
             WHERE run_id = %(run_id)s AND ordinal IS NOT NULL) AS each
     WHERE spent <= %(left)s
"""
CUT_OFF = """
    UPDATE offers_audiencemember
       SET ordinal = NULL, given = NULL, outcome = %(outcome)s, details = jsonb_build_object('reason', 'cut')
     WHERE run_id = %(run_id)s AND ordinal >= %(size)s
"""


def shorten(
    *, run: MassAssignment, offer: ConfigOffer, campaign_id: int, each_minor: int | None, now: datetime
) -> None:
    """Leave as many members in the run's frozen audience as there are codes and shares of limits for.

    `each_minor` is what one can cost; None where that differs per member. The bank is locked from here on, limits are
    not yet: should another door be faster, reserving says so. Raises Refused where there is nothing for anybody.
    """
    eligible = rows(
        "SELECT count(*) AS n FROM offers_audiencemember WHERE run_id = %s AND ordinal IS NOT NULL", [run.pk]
    )[0]["n"]
    bounds = sorted(_bounds(run, offer, campaign_id, each_minor, now))
    if not bounds or not eligible or bounds[0][0] >= eligible:
        return
    size, outcome = bounds[0]
    if size <= 0:
        raise reservation.Refused({"code": outcome, "needed": eligible, "short": eligible})
    execute(CUT_OFF, {"run_id": run.pk, "size": size, "outcome": outcome})


def _bounds(
    run: MassAssignment, offer: ConfigOffer, campaign_id: int, each_minor: int | None, now: datetime
) -> Iterator[tuple[int, str]]:
    """Yield for how many each thing is enough, with the outcome of who is beyond."""
    if offer.require_vouchers:
        yield voucher_tape.locked_left(bank_id=offer.voucher_bank.pk, now=now), "out_of_codes"
    ledger = limit.ledger_of(run.programme, offer.pk, campaign_id, now)
    for code, left in ledger.left(offer_id=offer.pk, campaign_id=campaign_id):
        if code == "cap_reached":
            yield left, code
        elif each_minor is None:
            yield rows(WITHIN, {"run_id": run.pk, "left": left})[0]["n"], code
        elif each_minor:
            yield left // each_minor, code
