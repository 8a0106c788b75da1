"""Another run like a former one: what of it can still be copied, and a draft made of that (S4-28, S1-01)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from loyalty.database import in_transaction
from loyalty.errors import InvalidInput
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import MassAssignment
from offers.selectors import targeting as targetings
from offers.services import mass_assignment, member_value
from offers.services.mass_assignment import LaunchPlan
from offers.services.problem import problem


@dataclass(frozen=True)
class Copied:
    """Values per member that a run like this one can be given today; and why the others cannot."""

    member_values: Mapping[str, Any]
    left_out: list[dict[str, Any]]


@dataclass(frozen=True)
class Cloned:
    """A draft like another run, and what of that one it has not: problems with `field`, `code` and `message`."""

    run: MassAssignment
    left_out: list[dict[str, Any]]


def copied(*, run: MassAssignment, now: datetime) -> Copied:
    """Return which of a run's values per member still hold, rule by rule: as strictly as when they are given anew.

    An attribute, a list or a column may have gone since, or an attribute's type have changed. (S1-01, S1-05)
    """
    today = now.astimezone(run.programme.zone).date()
    kept: dict[str, Any] = {}
    left_out: list[dict[str, Any]] = []
    for rule, fields in run.member_values.items():
        try:
            found = member_value.read(programme=run.programme, given={rule: fields}, terms={}, today=today)
        except InvalidInput as refusal:
            left_out += [_of_member_values(rule, one) for one in refusal.problems]
        else:
            kept |= found.data()
    return Copied(kept, left_out)


def clone(
    *, run: MassAssignment, name: str, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> Cloned:
    """Make a draft like a run: its offer, template, terms, values per member, campaign, rank, hold-out, shortfall plan.

    It asks the audience as it is saved now, and begins when it is launched. Values per member that do not hold any more
    are left out and named. Raises InvalidInput where nothing like it can be launched: the audience is archived, the
    offer closed, a rule that the template asks for was left out; then nothing is written.
    """
    found = copied(run=run, now=now)

    def work() -> MassAssignment:
        made = mass_assignment.create(
            programme=run.programme,
            template=run.template,
            targeting_version=_version(run),
            name=(name.strip() or name_of_clone(run))[:200],
            campaign=run.campaign if run.campaign and not run.campaign.is_of_run else None,
            terms=run.terms,
            rank=run.rank,
            actor=actor,
            now=now,
            hold_out_percent=run.hold_out_percent,
            member_values=found.member_values,
            plan=LaunchPlan(run.on_shortfall, run.wait_days),
        )
        audit.record(
            action="mass_assignment.cloned",
            actor=actor,
            api_client=api_client,
            programme=run.programme,
            target=made,
            data={"of": run.pk, "left_out": [one["field"] for one in found.left_out]},
        )
        return made

    try:
        return Cloned(in_transaction(work), found.left_out)
    except InvalidInput as refusal:
        # What is missing may be what was left out: both are said.
        problems = [*found.left_out, *refusal.problems]
        message = " ".join([*(one["message"] for one in found.left_out), refusal.message])
        raise InvalidInput(message, code=refusal.code, problems=problems) from refusal


def name_of_clone(run: MassAssignment) -> str:
    """Return what a run like this one is called, unless somebody says otherwise."""
    return (_("%(run)s, again") % {"run": run.name})[:200]


def _version(run: MassAssignment) -> Any:
    if run.targeting_version is None:
        message = _("“%(run)s” has no saved audience. Make a run from one.") % {"run": run.name}
        raise InvalidInput(message, code="unknown_targeting", problems=[problem("targeting", "unknown", message)])
    try:
        return targetings.saved_version(programme=run.programme, targeting_id=run.targeting_version.targeting_id)
    except targetings.TargetingNotFound as error:
        message = _("The audience of “%(run)s” is archived. Take it out of the archive first.") % {"run": run.name}
        raise InvalidInput(
            message, code="unknown_targeting", problems=[problem("targeting", error.code, message)]
        ) from error


def _of_member_values(rule: str, found: Mapping[str, Any]) -> dict[str, Any]:
    place = ".".join(part for part in ("member_values", rule, found["field"]) if part)
    return {"field": place, "code": found["code"], "message": found["message"]}
