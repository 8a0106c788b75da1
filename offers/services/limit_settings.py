"""Setting the limits of an offer or a campaign.

A limit counts what was given before it, so it begins with one reading of the assignments, during which nobody writes
any; changing its numbers later costs nothing.
"""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from django.db import OperationalError
from django.utils.translation import gettext as _
from psycopg.errors import LockNotAvailable

from loyalty import patience
from loyalty.database import execute, in_transaction, rows
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import Audience, Campaign, ConfigOffer, Limit, LimitReservation, MemberCount
from offers.models.limit import day_of
from offers.services import module
from offers.services.problem import problem

NUMBERS = ("cap", "daily_cap", "budget_minor", "daily_budget_minor", "per_member")
# What a caller may set; None takes a limit away.
WRITABLE = (*NUMBERS, "is_budget_hard")
LARGEST = {
    "cap": 2**31 - 1,
    "daily_cap": 2**31 - 1,
    "budget_minor": 10**15,
    "daily_budget_minor": 10**15,
    "per_member": 32_767,
}

# What was given and not taken back; a run's count for the day it was planned on.
GIVEN = """
    SELECT count(*) AS assigned, coalesce(sum(given.exposure_minor), 0)::bigint AS spent_minor,
           count(*) FILTER (WHERE coalesce(run.planned_at, given.issued_at) >= %(today)s) AS assigned_today,
           coalesce(sum(given.exposure_minor) FILTER (
               WHERE coalesce(run.planned_at, given.issued_at) >= %(today)s), 0)::bigint AS spent_today_minor
      FROM offers_assignment AS given
      LEFT JOIN offers_massassignment AS run ON run.id = given.run_id
     WHERE given.{owner} = %(id)s AND given.revoked_at IS NULL
"""
# What runs that are at work still have to give.
OPEN_RUNS = """
    SELECT run.id, run.eligible, run.exposure_minor, run.planned_at,
           run.eligible - coalesce(sum(chunk.assigned), 0)::bigint AS remaining
      FROM offers_massassignment AS run
      LEFT JOIN offers_massassignmentchunk AS chunk ON chunk.run_id = run.id
     WHERE run.{owner} = %(id)s AND run.state IN ('running', 'paused') AND run.eligible > 0
     GROUP BY run.id
     ORDER BY run.id
"""
# Each member's count: what she was given in the campaign, and what runs at work will give her.
COUNT_MEMBERS = """
    INSERT INTO offers_membercount (campaign_id, member_id, assigned)
    SELECT %(id)s, member_id, count(*)
      FROM (
            SELECT member_id FROM offers_assignment WHERE campaign_id = %(id)s AND revoked_at IS NULL
             UNION ALL
            SELECT audience.member_id
              FROM offers_massassignment AS run
              JOIN offers_massassignmentchunk AS chunk ON chunk.run_id = run.id AND chunk.done_at IS NULL
              JOIN offers_audiencemember AS audience
                ON audience.run_id = run.id
               AND audience.member_id BETWEEN chunk.first_member_id AND chunk.last_member_id
             WHERE run.campaign_id = %(id)s AND run.state IN ('running', 'paused')
               AND audience.ordinal IS NOT NULL AND audience.outcome IS NULL
           ) AS counted
     GROUP BY member_id
     ORDER BY member_id
"""


class Busy(Conflict):
    """Assignments are being written without a pause."""

    code = "assigning_now"


@patience.patient()
def put(
    *,
    owner: ConfigOffer | Campaign,
    values: Mapping[str, Any],
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
) -> Limit | None:
    """Set the given limits (keys of WRITABLE; money in minor units) and return the row, or None with none left.

    A limit below what was given already stops giving and takes nothing back. Raises InvalidInput with every problem,
    OffersModuleOff, Busy. (D-05, DESIGN 4)
    """
    module.require(programme=owner.programme)
    checked = _checked(owner, values)

    def work() -> Limit | None:
        # The row of the owner orders two who set limits, and keeps a planning from passing unseen.
        type(owner)._default_manager.select_for_update(no_key=True).get(pk=owner.pk)
        key = {"config_offer_id" if isinstance(owner, ConfigOffer) else "campaign_id": owner.pk}
        before = Limit.objects.filter(**key).first()
        old = {name: getattr(before, name) for name in WRITABLE} if before else dict.fromkeys(NUMBERS)
        new = old | checked
        if before and old == new:
            return before
        if all(new[name] is None for name in NUMBERS):
            if before:
                _remove(before)
                _tell(owner, old, new, actor, api_client)
            return None
        is_first_per_member = old["per_member"] is None and new["per_member"] is not None
        if before is None or is_first_per_member:
            _keep_writers_out(owner)
        if before is None:
            limit = Limit.objects.create(**key, **new)
            _count(limit, owner, now)
        else:
            limit = Limit.objects.select_for_update(no_key=True).get(pk=before.pk)
        for name, value in new.items():
            setattr(limit, name, value)
        limit.overdrawn_at = (limit.overdrawn_at or now) if _is_overdrawn(limit, owner, now) else None
        limit.save(update_fields=[*new, "overdrawn_at", "updated_at"])
        if is_first_per_member:
            execute(COUNT_MEMBERS, {"id": owner.pk})
        elif new["per_member"] is None and old["per_member"] is not None:
            MemberCount.objects.filter(campaign_id=owner.pk).delete()
        _tell(owner, old, new, actor, api_client)
        return limit

    return in_transaction(work)


def _checked(owner: ConfigOffer | Campaign, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, or raise InvalidInput with every problem."""
    found = []
    for name, value in values.items():
        is_number = isinstance(value, int) and not isinstance(value, bool)
        least = 1 if name == "per_member" else 0
        if name not in WRITABLE:
            found.append(problem(name, "unknown_field", _("There is no field “%(name)s”.") % {"name": name}))
        elif name == "is_budget_hard":
            if not isinstance(value, bool):
                found.append(problem(name, "not_a_boolean", _("Give true or false.")))
        elif name == "per_member" and value is not None and isinstance(owner, ConfigOffer):
            message = _("Only a campaign limits offers per member; an offer has its repeat policy.")
            found.append(problem(name, "not_applicable", message))
        elif value is not None and not (is_number and least <= value <= LARGEST[name]):
            message = _("Give a whole number from %(least)s to %(most)s, or nothing.")
            found.append(problem(name, "not_a_number", message % {"least": least, "most": LARGEST[name]}))
    is_wanted = any(values.get(name) is not None for name in NUMBERS)
    if is_wanted and isinstance(owner, ConfigOffer) and owner.audience == Audience.EVERYONE:
        message = _("An offer for everyone is never assigned, so there is nothing to limit.")
        found.append(problem("", "offer_is_for_everyone", message))
    if is_wanted and isinstance(owner, Campaign) and owner.is_of_run:
        message = _("This campaign belongs to one run and gets nothing more. Limit the offer instead.")
        found.append(problem("", "campaign_of_a_run", message))
    if found:
        raise InvalidInput(_("Some limits are not acceptable."), problems=found)
    return dict(values)


def _keep_writers_out(owner: ConfigOffer | Campaign) -> None:
    """Hold off whoever writes assignments to the end of the transaction; who was at it has committed.

    An offer that was never published has none to count. Those who looked for limits before look again (`assign`).
    """
    if isinstance(owner, ConfigOffer) and owner.current_revision_id is None:
        return
    execute("SET LOCAL lock_timeout = '10s'")
    try:
        execute("LOCK TABLE offers_assignment IN SHARE ROW EXCLUSIVE MODE")
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            message = _("Offers are being assigned without a pause. Try again, or pause the runs for a moment.")
            raise Busy(message) from error
        raise
    execute("SET LOCAL lock_timeout TO DEFAULT")


def _count(limit: Limit, owner: ConfigOffer | Campaign, now: datetime) -> None:
    """Count what was given before the limit, and what runs at work reserve."""
    zone = owner.programme.zone
    today = day_of(now, zone)
    column = "config_offer_id" if isinstance(owner, ConfigOffer) else "campaign_id"
    begun = datetime.combine(today, time(), tzinfo=zone)
    limit.day = today
    [given] = rows(GIVEN.format(owner=column), {"id": owner.pk, "today": begun})
    for name, value in given.items():
        setattr(limit, name, value)
    reservations = []
    for run in rows(OPEN_RUNS.format(owner=column), {"id": owner.pk}):
        day = day_of(run["planned_at"], zone)
        limit.assigned += run["remaining"]
        limit.spent_minor += run["remaining"] * run["exposure_minor"]
        if day == today:
            limit.assigned_today += run["remaining"]
            limit.spent_today_minor += run["remaining"] * run["exposure_minor"]
        reservations.append(
            LimitReservation(
                limit=limit, run_id=run["id"], size=run["eligible"], exposure_minor=run["exposure_minor"], day=day
            )
        )
    LimitReservation.objects.bulk_create(reservations)
    limit.save(update_fields=["day", *given])


def _is_overdrawn(limit: Limit, owner: ConfigOffer | Campaign, now: datetime) -> bool:
    _given, spent_today = limit.on(day_of(now, owner.programme.zone))
    return not limit.is_budget_hard and (
        (limit.budget_minor is not None and limit.spent_minor > limit.budget_minor)
        or (limit.daily_budget_minor is not None and spent_today > limit.daily_budget_minor)
    )


def _remove(limit: Limit) -> None:
    """Leave nothing behind that would cost whoever assigns. Who waits for the row finds it gone, and no limit."""
    if limit.campaign_id:
        MemberCount.objects.filter(campaign_id=limit.campaign_id).delete()
    Limit.objects.select_for_update().get(pk=limit.pk)
    limit.reservations.all().delete()
    limit.delete()


def _tell(
    owner: ConfigOffer | Campaign,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    actor: User | None,
    api_client: ApiClient | None,
) -> None:
    changed = {name: [old.get(name), value] for name, value in new.items() if old.get(name) != value}
    audit.record(
        action="offer.limits_set" if isinstance(owner, ConfigOffer) else "campaign.limits_set",
        actor=actor,
        api_client=api_client,
        programme=owner.programme,
        target=owner,
        data={"changed": changed},
    )
