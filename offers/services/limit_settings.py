"""Setting the limits of an offer or a campaign.

A limit counts what was given before it. For a moment nobody writes assignments while it begins; then everything is
added to it, what was before is counted in one reading beside that (`limit_counting`), and it is in force. Changing its
numbers later costs nothing.
"""

from collections.abc import Mapping
from datetime import datetime
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
from offers.services import limit_counting, module
from offers.services.problem import problem

NUMBERS = ("cap", "daily_cap", "budget_minor", "daily_budget_minor", "per_member")
# What a caller may set; None takes a limit away.
WRITABLE = (*NUMBERS, "is_budget_hard")
# How long a first limit waits for those who are writing assignments; whoever comes after them waits behind it.
PATIENCE = "10s"
LARGEST = {
    "cap": 2**31 - 1,
    "daily_cap": 2**31 - 1,
    "budget_minor": 10**15,
    "daily_budget_minor": 10**15,
    "per_member": 32_767,
}

# Runs that are at work: what they give is reserved from here on, as if they had been planned under the limit. Locked,
# so that none of them ends unseen.
OPEN_RUNS = """
    SELECT id, eligible, exposure_minor, planned_at
      FROM offers_massassignment
     WHERE {owner} = %(id)s AND state IN ('running', 'paused') AND eligible > 0
     ORDER BY id
       FOR SHARE
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

    A limit below what was given already stops giving and takes nothing back. A first one is in force when this returns,
    once all that was given before is counted, while assigning goes on. Raises InvalidInput with every problem,
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
        if before is None:
            _keep_writers_out(owner)
            limit = _begin(owner, key | new, now)
        else:
            # Before the table, as grants do; who takes back comes from the other side, and one of us tries again.
            limit = Limit.objects.select_for_update(no_key=True).get(pk=before.pk)
            if is_first_per_member:
                _keep_writers_out(owner)
        for name, value in new.items():
            setattr(limit, name, value)
        if new["per_member"] is None and old["per_member"] is not None:
            MemberCount.objects.filter(campaign_id=owner.pk).delete()
            limit.members_counted_at = None
        limit.overdrawn_at = (limit.overdrawn_at or now) if limit_counting.is_overdrawn(limit, now) else None
        limit.save(update_fields=[*new, "members_counted_at", "overdrawn_at", "updated_at"])
        _tell(owner, old, new, actor, api_client)
        return limit

    limit = in_transaction(work)
    return limit_counting.count(limit_id=limit.pk, now=now) if limit and not limit.is_in_force else limit


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
    """Hold off whoever writes assignments to the end of the transaction: a moment. Who was at it has committed.

    An offer that was never published has none to count. Those who looked for limits before look again (`assign`).
    """
    if isinstance(owner, ConfigOffer) and owner.current_revision_id is None:
        return
    execute("SELECT set_config('lock_timeout', %s, TRUE)", [PATIENCE])
    try:
        execute("LOCK TABLE offers_assignment IN SHARE ROW EXCLUSIVE MODE")
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            message = _("Offers are being assigned without a pause. Try again, or pause the runs for a moment.")
            raise Busy(message) from error
        raise
    execute("SET LOCAL lock_timeout TO DEFAULT")


def _begin(owner: ConfigOffer | Campaign, values: Mapping[str, Any], now: datetime) -> Limit:
    """Write down the limit, from where on everything is added to it, and what runs at work will give."""
    zone = owner.programme.zone
    limit = Limit.objects.create(**values, day=day_of(now, zone))
    column = "config_offer_id" if isinstance(owner, ConfigOffer) else "campaign_id"
    LimitReservation.objects.bulk_create(
        LimitReservation(
            limit=limit,
            run_id=run["id"],
            size=run["eligible"],
            exposure_minor=run["exposure_minor"],
            day=day_of(run["planned_at"], zone),
        )
        for run in rows(OPEN_RUNS.format(owner=column), {"id": owner.pk})
    )
    return limit


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
