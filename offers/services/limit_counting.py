"""Counting what was given before a limit was set, while assigning goes on (D-05).

From the moment that a limit stands, everybody who gives or takes back writes that down in the same transaction. So in
one snapshot of the database the assignments (what the limit should say) and its row (what was added since) fit
together, and their difference is what was before. That is added whenever the reading ends, and the limit is in force.
"""

from contextlib import suppress
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

import structlog
from django.db.models import Q

from loyalty.database import execute, in_transaction, rows
from loyalty.models import Programme
from offers.models import Limit
from offers.models.limit import day_of
from offers.selectors.limit import COUNTS
from offers.services import assignment_writers

log = structlog.get_logger(__name__)

# A limit that has waited for so long was left by a process that died.
LEFT_BEHIND = timedelta(minutes=2)
# How long members' counts wait for who is writing assignments, and how often it all begins anew where others go on
# setting limits meanwhile.
WAIT_SECONDS = 9.0
TURNS = 5

# Runs with a reservation count with all they reserved, less what of them was taken back, whatever their chunks did.
BEFORE = f"""
    WITH reserved AS (
        SELECT run_id, size, exposure_minor, exposure_total_minor, day FROM offers_limitreservation
         WHERE limit_id = %(limit_id)s AND released_at IS NULL
    ), given AS (
        SELECT one.n, one.n * given.exposure_minor AS spent,
               coalesce(run.planned_at, given.issued_at) >= %(begun)s AS is_of_day
          FROM offers_assignment AS given
          LEFT JOIN reserved ON reserved.run_id = given.run_id
          LEFT JOIN offers_massassignment AS run ON run.id = given.run_id
         CROSS JOIN LATERAL (
                SELECT CASE WHEN reserved.run_id IS NULL THEN ({COUNTS})::int
                            ELSE -(NOT {COUNTS})::int END AS n
               ) AS one
         WHERE given.{{owner}} = %(owner_id)s
         UNION ALL
        SELECT size, coalesce(exposure_total_minor, size::bigint * exposure_minor), day = %(day)s FROM reserved
    ), summed AS (
        SELECT coalesce(sum(n), 0) AS n, coalesce(sum(spent), 0) AS spent,
               coalesce(sum(n) FILTER (WHERE is_of_day), 0) AS n_of_day,
               coalesce(sum(spent) FILTER (WHERE is_of_day), 0) AS spent_of_day
          FROM given
    )
    SELECT (n - shared.assigned)::bigint AS assigned, (spent - shared.spent_minor)::bigint AS spent_minor,
           (n_of_day - shared.assigned_today)::bigint AS assigned_today,
           (spent_of_day - shared.spent_today_minor)::bigint AS spent_today_minor, shared.day
      FROM summed, offers_limit AS shared
     WHERE shared.id = %(limit_id)s
"""
# The same for each member of a campaign, in the order of members.
MEMBERS_BEFORE = f"""
    WITH reserved AS (
        SELECT run_id FROM offers_limitreservation WHERE limit_id = %(limit_id)s AND released_at IS NULL
    )
    INSERT INTO offers_membercount AS counted (campaign_id, member_id, assigned)
    SELECT %(campaign_id)s, member_id, sum(n)
      FROM (
            SELECT member_id, 1 AS n FROM offers_assignment AS given
             WHERE campaign_id = %(campaign_id)s AND {COUNTS}
               AND (run_id IS NULL OR run_id NOT IN (SELECT run_id FROM reserved))
             UNION ALL
            SELECT member_id, -1 FROM offers_assignment AS given
             WHERE campaign_id = %(campaign_id)s AND NOT {COUNTS}
               AND run_id IN (SELECT run_id FROM reserved)
             UNION ALL
            SELECT member_id, 1 FROM offers_audiencemember
             WHERE run_id IN (SELECT run_id FROM reserved) AND ordinal IS NOT NULL
             UNION ALL
            SELECT member_id, -assigned FROM offers_membercount WHERE campaign_id = %(campaign_id)s
           ) AS every
     GROUP BY member_id
    HAVING sum(n) <> 0
     ORDER BY member_id
        ON CONFLICT (campaign_id, member_id) DO UPDATE SET assigned = counted.assigned + excluded.assigned
"""


def count(*, limit_id: int, now: datetime, seconds: float | None = None) -> Limit | None:
    """Count what was before the limit, unless that is done, and put it in force; None where it was taken away.

    Called again, or by two at once, it counts once. It holds the limit's row for a moment only; members' counts, of a
    first limit per member, until they are written. Those are left to the sweeper where somebody goes on writing
    assignments for longer than `seconds` (WAIT_SECONDS): then the limit is returned as it is, the rest of it in force.
    """
    for _turn in range(TURNS):
        seen = Limit.objects.filter(pk=limit_id).first()
        if seen is None or seen.is_in_force:
            return seen
        # Who takes back reads whether members are counted once she has written the assignment, and under no lock: all
        # who read it before `seen` was set are waited for.
        with_members = _waits_for_members(seen) and assignment_writers.wait_for(
            seconds=WAIT_SECONDS if seconds is None else seconds
        )
        if _waits_for_members(seen) and not with_members:
            log.warning("limit.members_not_counted_yet", limit_id=limit_id)
        with suppress(_SetMeanwhile):
            return in_transaction(partial(_count, seen, with_members, now))
    return Limit.objects.filter(pk=limit_id).first()


class _SetMeanwhile(Exception):
    """Other limits were set since it was read whom to wait for: what was counted is undone, and counted anew."""


def _waits_for_members(limit: Limit) -> bool:
    return limit.per_member is not None and limit.members_counted_at is None


def _count(seen: Limit, with_members: bool, now: datetime) -> Limit | None:
    execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"count limit {seen.pk}"])
    limit = _same(Limit.objects.filter(pk=seen.pk).first(), seen)
    if limit is None:
        return None
    if with_members:
        execute(MEMBERS_BEFORE, {"limit_id": limit.pk, "campaign_id": limit.campaign_id})
    before = _before(limit) if limit.counted_at is None else None
    # Set or taken away since: members whom others did not count meanwhile would be missing.
    locked = _same(Limit.objects.select_for_update(no_key=True).filter(pk=seen.pk).first(), seen)
    if locked is None or (before is None and not with_members):
        return locked
    if before is not None:
        _add(locked, before)
        locked.counted_at = now
    if with_members:
        locked.members_counted_at = now
    locked.overdrawn_at = (locked.overdrawn_at or now) if is_overdrawn(locked, now) else None
    locked.save()
    return locked


def _same(limit: Limit | None, seen: Limit) -> Limit | None:
    """Return it, or raise _SetMeanwhile: only setting a limit and counting it change when it was updated."""
    if limit is not None and limit.updated_at != seen.updated_at:
        raise _SetMeanwhile
    return limit


def count_left_behind(*, now: datetime) -> int:
    """Count for limits whose setter died before it had counted; return for how many."""
    waiting = Limit.objects.filter(updated_at__lt=now - LEFT_BEHIND)
    left = list(waiting.filter(Q(counted_at=None) | Q(per_member__isnull=False, members_counted_at=None)))
    for limit in left:
        # Runs wait for the sweeper.
        count(limit_id=limit.pk, now=now, seconds=1)
    return len(left)


def is_overdrawn(limit: Limit, now: datetime) -> bool:
    """Say whether a soft budget is spent."""
    _given, spent_today = limit.on(day_of(now, _programme(limit).zone))
    return not limit.is_budget_hard and (
        (limit.budget_minor is not None and limit.spent_minor > limit.budget_minor)
        or (limit.daily_budget_minor is not None and spent_today > limit.daily_budget_minor)
    )


def _programme(limit: Limit) -> Programme:
    owner = limit.config_offer or limit.campaign
    if owner is None:
        raise ValueError("A limit is an offer's or a campaign's.")
    return owner.programme


def _before(limit: Limit) -> dict[str, Any]:
    """Return what was before the limit, and for which day."""
    zone, is_of_offer = _programme(limit).zone, limit.config_offer_id is not None
    day = limit.day or day_of(limit.created_at, zone)
    [before] = rows(
        BEFORE.format(owner="config_offer_id" if is_of_offer else "campaign_id"),
        {
            "limit_id": limit.pk,
            "owner_id": limit.config_offer_id or limit.campaign_id,
            "day": day,
            "begun": datetime.combine(day, time(), tzinfo=zone),
        },
    )
    return before | {"of_day": day}


def _add(limit: Limit, before: dict[str, Any]) -> None:
    limit.assigned += before["assigned"]
    limit.spent_minor += before["spent_minor"]
    # Where the next day began meanwhile, nothing of it was before.
    if limit.day == before["of_day"] == before["day"]:
        limit.assigned_today += before["assigned_today"]
        limit.spent_today_minor += before["spent_today_minor"]
