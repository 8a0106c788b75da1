"""Setting the limits of an offer or a campaign.

A limit counts what was given before it. For a moment nobody writes assignments while it begins; then everything is
added to it, what was before is counted in one reading beside that (`limit_counting`), and it is in force. Changing its
numbers later costs nothing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
# How long a first limit waits for those who are writing assignments; whoever comes after them waits behind it, and must
# be done well before a web process gives up (DATABASE_PATIENCE_SECONDS). Between its tries all of them go on.
PATIENCE = "3s"
TRIES = 3
PAUSE_SECONDS = 0.3
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


class Busy(Conflict):
    """Assignments are being written without a pause."""

    code = "assigning_now"


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
    once all that was given before is counted, while assigning goes on. `seen` is the `version` that the caller was
    shown: where others are set by now, nothing is. Raises InvalidInput with every problem, OffersModuleOff, Busy,
    Changed. (D-05, DESIGN 4)
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
            limit = _lock_for_first_per_member(locked, before)
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

    limit = _tried(work)
    return limit_counting.count(limit_id=limit.pk, now=now) if limit and not limit.is_in_force else limit


def _tried(work: Callable[[], Limit | None]) -> Limit | None:
    """Do the work in a transaction, and again where writers left no gap; whoever waited behind it goes first."""
    for _again in range(1, TRIES):
        try:
            return in_transaction(work)
        except Busy:
            time.sleep(PAUSE_SECONDS)
    return in_transaction(work)


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


def _lock_for_first_per_member(owner: ConfigOffer | Campaign, before: Limit) -> Limit:
    """Lock what a first limit per member waits for, and return the limit, locked."""
    with _patience():
        _hold_runs(owner)
        # Before the table, as grants do; who takes back comes from the other side, and one of us tries again.
        limit = Limit.objects.select_for_update(no_key=True).get(pk=before.pk)
        _keep_writers_out()
    return limit


def _hold_runs(owner: ConfigOffer | Campaign) -> None:
    """Keep the owner's runs from ending to the end of the transaction. Who was at it has committed.

    Before everything that others wait for: giving the codes of a large run back takes seconds.
    """
    rows(HOLD_RUNS.format(owner=_column(owner)), {"id": owner.pk})


def _keep_writers_out() -> None:
    """Hold off whoever writes assignments to the end of the transaction: a moment. Who was at it has committed.

    Those who looked for limits before look again (`assign`).
    """
    execute("LOCK TABLE offers_assignment IN SHARE ROW EXCLUSIVE MODE")


@contextmanager
def _patience() -> Iterator[None]:
    """Wait for locks for so long and no longer; raises Busy."""
    execute("SELECT set_config('lock_timeout', %s, TRUE)", [PATIENCE])
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            message = _("Offers are being assigned without a pause. Try again, or pause the runs for a moment.")
            raise Busy(message) from error
        raise
    execute("SET LOCAL lock_timeout TO DEFAULT")


def _begin(owner: ConfigOffer | Campaign, values: Mapping[str, Any], now: datetime) -> Limit:
    """Write down the limit, from where on everything is added to it, and what runs at work will give.

    An offer that was never published has nothing to count, and nobody who could write any meanwhile.
    """
    if isinstance(owner, Campaign) or owner.current_revision_id is not None:
        with _patience():
            _hold_runs(owner)
            _keep_writers_out()
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
