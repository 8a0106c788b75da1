"""What a run takes from limits for all of its members when it is planned, and gives back when it ends (D-05).

The run is locked throughout. Whoever sets a first limit per member locks the runs that hold a share of it, so what is
read here of a limit holds until the run's transaction ends.
"""

from datetime import datetime

from django.db.models import Sum

from loyalty.database import execute, rows
from offers.models import Limit, LimitReservation, MassAssignment, MassAssignmentChunk
from offers.models.limit import day_of
from offers.services import limit
from offers.services.shortfall import Shortfall


def reserve(
    *,
    run: MassAssignment,
    offer_id: int,
    campaign_id: int,
    size: int,
    each_minor: int,
    total_minor: int | None,
    now: datetime,
) -> list[Shortfall]:
    """Take a run's whole need from the limits of its offer and campaign, or return all that is missing (D-05).

    It counts for the day of planning, whenever the chunks are done. `total_minor` is what all can cost together, where
    that differs per member.
    """
    spending = size * each_minor if total_minor is None else total_minor
    # Setting a limit excludes this, and so either sees the run or is seen here.
    execute("SELECT id FROM offers_configoffer WHERE id = %s FOR SHARE", [offer_id])
    execute("SELECT id FROM offers_campaign WHERE id = %s FOR SHARE", [campaign_id])
    limits = limit.lock(offer_ids=[offer_id], campaign_ids=[campaign_id])
    ledger = limit.Ledger(limits, day_of(now, run.programme.zone), run.programme.currency)
    short = limit.shortfalls(ledger, offer_id, campaign_id, size, spending)
    if short or not limits or not size:
        return short
    ledger.take(offer_id=offer_id, campaign_id=campaign_id, exposure_minor=spending, n=size)
    limit.count(taken=ledger.taken, day=ledger.day, now=now)
    LimitReservation.objects.bulk_create(
        LimitReservation(
            limit=one,
            run=run,
            size=size,
            exposure_minor=each_minor,
            exposure_total_minor=total_minor,
            day=ledger.day,
        )
        for one in limits
    )
    return []


# Counts each of a run's audience in the order of members; who is full already is left alone, and shows by the number.
RESERVE_COUNTS = """
    INSERT INTO offers_membercount AS counted (campaign_id, member_id, assigned)
    SELECT %(campaign_id)s, member_id, 1
      FROM offers_audiencemember
     WHERE run_id = %(run_id)s AND ordinal IS NOT NULL
     ORDER BY member_id
        ON CONFLICT (campaign_id, member_id) DO UPDATE SET assigned = counted.assigned + 1
     WHERE counted.assigned < %(per_member)s
"""


def gives_per_member(*, campaign_id: int) -> bool:
    """Say whether the campaign limits offers per member now."""
    return Limit.objects.filter(campaign_id=campaign_id, per_member__isnull=False).exists()


def reserve_counts(*, run_id: int, campaign_id: int, per_member: int) -> int:
    """Count the run's members for its campaign; return how many were: fewer than frozen where another was faster."""
    return execute(RESERVE_COUNTS, {"run_id": run_id, "campaign_id": campaign_id, "per_member": per_member})


# Members who were counted for a run, and got nothing.
_LEFT_OUT = """
    SELECT audience.member_id, audience.outcome
      FROM offers_audiencemember AS audience
      JOIN offers_massassignmentchunk AS chunk
        ON chunk.run_id = audience.run_id
       AND audience.member_id BETWEEN chunk.first_member_id AND chunk.last_member_id
     WHERE audience.run_id = %(run_id)s AND audience.ordinal IS NOT NULL
       AND (audience.outcome IS NOT NULL OR chunk.done_at IS NULL)
     ORDER BY audience.member_id
"""
LEFT_OUT = f"""
    INSERT INTO offers_membercount AS counted (campaign_id, member_id, assigned)
    SELECT %(campaign_id)s, member_id, -1 FROM ({_LEFT_OUT}) AS unused
        ON CONFLICT (campaign_id, member_id) DO UPDATE SET assigned = counted.assigned - 1
"""
COUNT_LEFT_OUT = f"""
    WITH counted AS (
        INSERT INTO offers_membercount AS counted (campaign_id, member_id, assigned)
        SELECT %(campaign_id)s, member_id, 1 FROM ({_LEFT_OUT}) AS unused
            ON CONFLICT (campaign_id, member_id) DO UPDATE SET assigned = counted.assigned + 1
        RETURNING member_id, assigned
    )
    SELECT count(*) AS n FROM counted JOIN ({_LEFT_OUT}) AS unused USING (member_id)
     WHERE unused.outcome IS NULL AND counted.assigned > %(per_member)s
"""


def reserve_again(*, run: MassAssignment, given: int, now: datetime) -> list[Shortfall]:
    """Take back for a run that goes on what it gave back when it ended, or return all that is missing. (S4-28)

    The run is locked. With somebody whom the campaign gave its most meanwhile, nothing goes on: her chunk could not
    tell, and would give her one too many.
    """
    if run.campaign_id is None or not run.eligible:
        return []
    execute("SELECT id FROM offers_configoffer WHERE id = %s FOR SHARE", [run.config_offer_id])
    execute("SELECT id FROM offers_campaign WHERE id = %s FOR SHARE", [run.campaign_id])
    limited = Limit.objects.filter(campaign_id=run.campaign_id, per_member__isnull=False).first()
    full = 0
    if limited:
        per_member = limit.most_per_member(limited)
        full = rows(COUNT_LEFT_OUT, {"run_id": run.pk, "campaign_id": run.campaign_id, "per_member": per_member})[0][
            "n"
        ]
    limits = limit.lock(offer_ids=[run.config_offer_id], campaign_ids=[run.campaign_id])
    size = run.eligible - given
    if full:
        return [Shortfall("cap_reached", "campaign_per_member", size, full, run.programme.currency)]
    ledger = limit.Ledger(limits, day_of(now, run.programme.zone), run.programme.currency)
    spending = _total(run.eligible, run.exposure_minor, run.exposure_total_minor) - _spent(run, given)
    short = limit.shortfalls(ledger, run.config_offer_id, run.campaign_id, size, spending)
    if short or not limits or not size:
        return short
    ledger.take(offer_id=run.config_offer_id, campaign_id=run.campaign_id, exposure_minor=spending, n=size)
    limit.count(taken=ledger.taken, day=ledger.day, now=now)
    for one in limits:
        LimitReservation.objects.update_or_create(
            limit=one,
            run=run,
            defaults={
                "size": run.eligible,
                "exposure_minor": run.exposure_minor,
                "exposure_total_minor": run.exposure_total_minor,
                "day": ledger.day,
                "released_at": None,
            },
        )
    return []


def release(*, run: MassAssignment, given: int, now: datetime) -> None:
    """Give back what a run that ends reserved and did not give. The run is locked; `given` is what it gave."""
    held = LimitReservation.objects.filter(run=run, released_at__isnull=True)
    open_ones = list(held)
    if not open_ones:
        return
    spent = _spent(run, given)
    unused = {
        one.limit_id: (given - one.size, spent - _total(one.size, one.exposure_minor, one.exposure_total_minor))
        for one in open_ones
    }
    unused = {pk: pair for pk, pair in unused.items() if pair[0] < 0}
    if unused:
        if held.filter(limit__per_member__isnull=False).exists():
            execute(LEFT_OUT, {"run_id": run.pk, "campaign_id": run.campaign_id})
        list(Limit.objects.filter(pk__in=unused).order_by("pk").select_for_update(no_key=True).values_list("pk"))
        limit.move(unused, {one.limit_id: one.day for one in open_ones})
    LimitReservation.objects.filter(pk__in=[one.pk for one in open_ones]).update(released_at=now)


def _total(size: int, each_minor: int, total_minor: int | None) -> int:
    return size * each_minor if total_minor is None else total_minor


def _spent(run: MassAssignment, given: int) -> int:
    """Return what those who were assigned can cost together."""
    if run.exposure_total_minor is None:
        return given * run.exposure_minor
    found: int | None = MassAssignmentChunk.objects.filter(run=run).aggregate(n=Sum("exposure_minor"))["n"]
    return found or 0
