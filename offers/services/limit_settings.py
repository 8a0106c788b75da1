"""Setting the limits of an offer or a campaign.

A limit counts what was given before it. For a moment nobody writes assignments while it begins; then everything is
added to it, what was before is counted in one reading beside that (`limit_counting`), and it is in force. Changing its
numbers later costs nothing.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from loyalty import patience
from loyalty.database import rows
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import Audience, Campaign, ConfigOffer, Limit, LimitReservation, MemberCount
from offers.models.limit import day_of
from offers.services import assignment_writers, limit_counting, module
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

# Runs that are at work, or still hold shares. Locked, so that none of them ends, and gives back what it did not give,
# between what it saw of the limit and what is counted for it.
HOLD_RUNS = """
    SELECT id FROM offers_massassignment AS run
     WHERE {owner} = %(id)s
       AND (state IN ('running', 'paused')
            OR EXISTS (SELECT FROM offers_limitreservation WHERE run_id = run.id AND released_at IS NULL))
     ORDER BY id
       FOR SHARE
"""
# What those at work give is reserved from here on, as if they had been planned under the limit.
OPEN_RUNS = """
    SELECT id, eligible, exposure_minor, exposure_total_minor, planned_at
      FROM offers_massassignment
     WHERE {owner} = %(id)s AND state IN ('running', 'paused') AND eligible > 0
     ORDER BY id
"""


class Changed(Conflict):
    """Somebody set other limits since the caller looked."""

    code = "changed_meanwhile"


def version(limit: Limit | None) -> str:
    """Return a digest of what is set: the same as long as nobody changes it, whatever is given meanwhile."""
    values = [getattr(limit, name) for name in WRITABLE] if limit else []
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


@patience.patient()
def put(
    *,
    owner: ConfigOffer | Campaign,
    values: Mapping[str, Any],
    actor: User | None,
    now: datetime,
    api_client: ApiClient | None = None,
    seen: str | None = None,
) -> Limit | None:
    """Set the given limits (keys of WRITABLE; money in minor units) and return the row, or None with none left.

    A limit below what was given already stops giving and takes nothing back. A first one is in force when this returns,
    once all that was given before is counted, while assigning goes on; a first one per member perhaps a little later,
    as the row says. `seen` is the `version` that the caller was shown: where others are set by now, nothing is. Raises
    InvalidInput with every problem, OffersModuleOff, Busy, Changed. (D-05, DESIGN 4)
    """
    module.require(programme=owner.programme)

    def work() -> Limit | None:
        locked = _locked(owner)
        checked = _checked(locked, values)
        key = {_column(owner): owner.pk}
        before = Limit.objects.filter(**key).first()
        old = {name: getattr(before, name) for name in WRITABLE} if before else dict.fromkeys(NUMBERS)
        new = old | checked
        if before and old == new:
            return before
        if seen is not None and seen != version(before):
            raise Changed(_("The limits were changed since they were shown."))
        if all(new[name] is None for name in NUMBERS):
            if before:
                _remove(before)
                _tell(owner, old, new, actor, api_client)
            return None
        if before is None:
            limit = _begin(locked, key | new, now)
        elif old["per_member"] is None and new["per_member"] is not None:
            # Not the writers: whoever takes back holds assignments before it waits for the limit. They are waited for
            # before members are counted.
            with assignment_writers.patience():
                _hold_runs(locked)
                limit = Limit.objects.select_for_update(no_key=True).get(pk=before.pk)
        else:
            is_without_members = old["per_member"] is not None and new["per_member"] is None
            if is_without_members:
                # Before the limit, as whoever assigns locks them. What a grant leaves behind is counted with the rest
                # should members be limited again.
                MemberCount.objects.filter(campaign_id=owner.pk).delete()
            limit = Limit.objects.select_for_update(no_key=True).get(pk=before.pk)
            limit.members_counted_at = None if is_without_members else limit.members_counted_at
        for name, value in new.items():
            setattr(limit, name, value)
        limit.overdrawn_at = (limit.overdrawn_at or now) if limit_counting.is_overdrawn(limit, now) else None
        limit.save(update_fields=[*new, "members_counted_at", "overdrawn_at", "updated_at"])
        _tell(owner, old, new, actor, api_client)
        return limit

    limit = assignment_writers.tried(work)
    return limit_counting.count(limit_id=limit.pk, now=now) if limit and not limit.is_in_force else limit


def _locked(owner: ConfigOffer | Campaign) -> ConfigOffer | Campaign:
    """Return the owner as it is now: published, archived or made for everyone since the caller read it.

    Its row orders two who set limits, and keeps a planning and a publishing from passing unseen.
    """
    manager = ConfigOffer.objects if isinstance(owner, ConfigOffer) else Campaign.objects
    found: ConfigOffer | Campaign = manager.select_for_update(no_key=True).get(pk=owner.pk)
    found.programme = owner.programme
    return found


def _column(owner: ConfigOffer | Campaign) -> str:
    return "config_offer_id" if isinstance(owner, ConfigOffer) else "campaign_id"


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


def _hold_runs(owner: ConfigOffer | Campaign) -> None:
    """Keep the owner's runs from ending to the end of the transaction. Who was at it has committed.

    Before everything that others wait for: giving the codes of a large run back takes seconds.
    """
    rows(HOLD_RUNS.format(owner=_column(owner)), {"id": owner.pk})


def _begin(owner: ConfigOffer | Campaign, values: Mapping[str, Any], now: datetime) -> Limit:
    """Write down the limit, from where on everything is added to it, and what runs at work will give.

    An offer that was never published has nothing to count, and nobody who could write any meanwhile.
    """
    if isinstance(owner, Campaign) or owner.current_revision_id is not None:
        with assignment_writers.patience():
            _hold_runs(owner)
            assignment_writers.keep_out()
    zone = owner.programme.zone
    limit = Limit.objects.create(**values, day=day_of(now, zone))
    LimitReservation.objects.bulk_create(
        LimitReservation(
            limit=limit,
            run_id=run["id"],
            size=run["eligible"],
            exposure_minor=run["exposure_minor"],
            exposure_total_minor=run["exposure_total_minor"],
            day=day_of(run["planned_at"], zone),
        )
        for run in rows(OPEN_RUNS.format(owner=_column(owner)), {"id": owner.pk})
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
