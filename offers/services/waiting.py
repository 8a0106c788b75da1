"""Runs that wait until there are enough codes, or enough is left of a limit (B-01).

A waiting run is scheduled, holds nothing and is not planned. What it lacked is compared with what is there now, which
costs a moment; only when that is enough is its audience frozen, anew, and everything reserved, all or nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q

from offers.models import MassAssignment
from offers.selectors import voucher as vouchers
from offers.services import limit, run_notification

log = structlog.get_logger(__name__)
State = MassAssignment.State


def begin(*, run: MassAssignment, failure: Mapping[str, Any], now: datetime) -> bool:
    """Let a run that may wait do so, and return whether it does; its time is counted from the first time on."""
    until = run.wait_until or now + timedelta(days=run.wait_days)
    if run.on_shortfall != MassAssignment.OnShortfall.WAIT or until <= now:
        return False
    lacks = dict(failure) | {"since": now.isoformat()}
    MassAssignment.objects.filter(pk=run.pk, state=State.SCHEDULED).update(
        waiting=lacks, wait_until=until, leased_until=None, planning_attempts=0, updated_at=now
    )
    log.info("mass_assignment.waits", run=run.pk, **failure)
    return True


def wake(*, now: datetime, offer_id: int | None = None) -> list[int]:
    """Put the waiting runs for which there is enough now in line for planning, fail those whose time is over.

    Returns the former. For the sweeper, and (with `offer_id`) for whoever brings codes, in the same transaction.
    """
    waiting = MassAssignment.objects.filter(state=State.SCHEDULED, waiting__isnull=False)
    if offer_id is not None:
        waiting = waiting.filter(config_offer=offer_id)
    overdue = waiting.filter(wait_until__lte=now)
    woken: list[int] = []
    for run in (
        waiting.exclude(pk__in=overdue).select_related("config_offer", "programme").order_by("launched_at", "pk")
    ):
        if _is_enough(run, now):
            woken.append(run.pk)
    MassAssignment.objects.filter(Q(pk__in=woken), state=State.SCHEDULED).update(waiting=None, updated_at=now)
    for run in overdue:
        with transaction.atomic():
            moved = MassAssignment.objects.filter(pk=run.pk, state=State.SCHEDULED, waiting__isnull=False).update(
                state=State.FAILED, failure=run.waiting, waiting=None, finished_at=now, updated_at=now
            )
            if moved:
                run_notification.tell_end(run_id=run.pk, now=now)
        log.warning("mass_assignment.waited_in_vain", run=run.pk)
    return woken


def _is_enough(run: MassAssignment, now: datetime) -> bool:
    """Say whether there is as much as the run lacked when it was planned last."""
    lacks = run.waiting or {}
    if lacks.get("code") == "out_of_codes":
        left: int = vouchers.codes_left(bank=run.config_offer.voucher_bank, now=now)
        return left >= lacks["needed"]
    ledger = limit.ledger_of(run.programme, run.config_offer_id, run.campaign_id, now)
    left_of = dict.fromkeys(("cap_reached", "budget_reached"), 10**18)
    for code, left in ledger.left(offer_id=run.config_offer_id, campaign_id=run.campaign_id):
        left_of[code] = min(left_of[code], left)
    return all(left_of.get(one["code"], 0) >= one["needed"] for one in lacks.get("problems") or [lacks])
