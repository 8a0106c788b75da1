"""What a run keeps for itself from its planning on: codes of a bank, its members' counts, shares of limits.

All or nothing, in the order of docs/locking.md: the bank's open segments, the members' counts, the limits.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, QuerySet, Sum

from offers.models import AudienceMember, CodeReservation, ConfigOffer, MassAssignment, MassAssignmentChunk
from offers.services import limit_reservation, shortfall, voucher_tape


class Refused(Exception):
    """Too few codes, or too little left of a limit: undoes the transaction. `failure` says which, and how many."""

    def __init__(self, failure: Mapping[str, Any]) -> None:
        super().__init__()
        self.failure = failure


class Outrun(Exception):
    """What the freeze saw of its members no longer holds: undoes the planning transaction."""


def reserve(
    *,
    run: MassAssignment,
    offer: ConfigOffer,
    campaign_id: int,
    per_member: int | None,
    size: int,
    each_minor: int,
    total_minor: int | None,
    now: datetime,
) -> None:
    """Reserve for `size` members what one of each costs. Raises Refused and Outrun. The run is locked. (S4-28, D-05)"""
    if offer.require_vouchers and size:
        short = voucher_tape.reserve(run_id=run.pk, bank_id=offer.voucher_bank.pk, count=size, now=now)
        if short:
            raise Refused({"code": "out_of_codes", "needed": size, "short": short})
    if per_member is not None:
        counted = limit_reservation.reserve_counts(run_id=run.pk, campaign_id=campaign_id, per_member=per_member)
        if counted < size:
            raise Outrun
    missing = limit_reservation.reserve(
        run=run,
        offer_id=offer.pk,
        campaign_id=campaign_id,
        size=size,
        each_minor=each_minor,
        total_minor=total_minor,
        now=now,
    )
    if missing:
        raise Refused(shortfall.failure(missing))
    if per_member is None and limit_reservation.gives_per_member(campaign_id=campaign_id):
        # Set since the audience was frozen, and nobody sets one from here on: the next round counts its members.
        raise Outrun


def reserve_again(*, run: MassAssignment, chunks: QuerySet[MassAssignmentChunk], now: datetime) -> None:
    """Reserve for chunks that were given up once more what went back. Raises Refused. The run is locked.

    Runs that end with errors are rare and their chunks few: a query a chunk.
    """
    needed = short = 0
    for chunk in chunks.order_by("number") if run.require_vouchers else ():
        ordinals = AudienceMember.objects.filter(
            run=run,
            member_id__gte=chunk.first_member_id,
            member_id__lte=chunk.last_member_id,
            ordinal__isnull=False,
        ).aggregate(first=Min("ordinal"), n=Count("ordinal"))
        needed += ordinals["n"]
        short += voucher_tape.reserve(
            run_id=run.pk,
            bank_id=run.config_offer.voucher_bank.pk,
            count=ordinals["n"],
            now=now,
            first_ordinal=ordinals["first"] or 0,
        )
    if short:
        raise Refused({"code": "out_of_codes", "needed": needed, "short": short})
    missing = limit_reservation.reserve_again(run=run, given=_given(run), now=now)
    if missing:
        raise Refused(shortfall.failure(missing))


# The reserved codes of members who were refused, or whose chunk was never done.
UNUSED = """
    SELECT code.id
      FROM (
            SELECT ordinal
              FROM offers_audiencemember
             WHERE run_id = %(run_id)s AND ordinal IS NOT NULL AND outcome IS NOT NULL
             UNION ALL
            SELECT audience.ordinal
              FROM offers_massassignmentchunk AS chunk
              JOIN offers_audiencemember AS audience
                ON audience.run_id = chunk.run_id
               AND audience.member_id BETWEEN chunk.first_member_id AND chunk.last_member_id
             WHERE chunk.run_id = %(run_id)s AND chunk.done_at IS NULL
               AND audience.ordinal IS NOT NULL AND audience.outcome IS NULL
           ) AS unused
      JOIN offers_codereservation AS reservation
        ON reservation.run_id = %(run_id)s
       AND reservation.released_at IS NULL
       AND unused.ordinal >= reservation.first_ordinal
       AND unused.ordinal < reservation.first_ordinal + reservation.size
      JOIN offers_vouchercode AS code
        ON code.segment_id = reservation.segment_id
       AND code.position = reservation.first_position + unused.ordinal - reservation.first_ordinal
"""


def release(*, run: MassAssignment, now: datetime) -> int:
    """Give reserved codes that nobody got, and shares of limits, back; return how many codes. The run is locked."""
    given = _given(run)
    released = _release_codes(run, given, now)
    limit_reservation.release(run=run, given=given, now=now)
    return released


def _release_codes(run: MassAssignment, given: int, now: datetime) -> int:
    reservations = CodeReservation.objects.filter(run=run, released_at__isnull=True)
    reserved = reservations.aggregate(codes=Sum("size"))["codes"]
    if reserved is None:
        return 0
    released = 0
    # Mostly everybody got hers: looking for leftovers among a million took a quarter of the run. Of a run that is tried
    # again, only the chunks that were given up stand in these reservations.
    is_again = CodeReservation.objects.filter(run=run, released_at__isnull=False).exists()
    if is_again or given < reserved:
        released = voucher_tape.give_back_selected(codes=UNUSED, parameters={"run_id": run.pk})
    reservations.update(released_at=now)
    return released


def _given(run: MassAssignment) -> int:
    found: int | None = MassAssignmentChunk.objects.filter(run=run).aggregate(n=Sum("assigned"))["n"]
    return found or 0
