"""What a run needs and a limit has not: as numbers for machines, and as one sentence with what to do (D-05, S4-28)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty import money

# By the reason's code.
OWNERS = {"offer": gettext_lazy("offer"), "campaign": gettext_lazy("campaign")}
NEEDS = {
    "cap": gettext_lazy(
        "The run needs %(needed)s assignments, and the %(owner)s's limit leaves %(left)s: %(short)s too many."
    ),
    "daily_cap": gettext_lazy(
        "The run needs %(needed)s assignments, and the %(owner)s's limit of the day leaves %(left)s: "
        "%(short)s too many."
    ),
    "budget": gettext_lazy(
        "The run may cost %(needed)s, and the %(owner)s's budget has %(left)s left: %(short)s are missing."
    ),
    "daily_budget": gettext_lazy(
        "The run may cost %(needed)s, and the %(owner)s's budget of the day has %(left)s left: %(short)s are missing."
    ),
    "per_member": gettext_lazy("The campaign gave as many offers as it may to %(short)s of its members meanwhile."),
}
WHAT_TO_DO = {
    "cap": gettext_lazy("Raise the limit, or choose a smaller audience."),
    "daily_cap": gettext_lazy("Raise the limit, choose a smaller audience, or launch on another day."),
    "budget": gettext_lazy("Raise the budget, make it a soft one, or choose a smaller audience."),
    "daily_budget": gettext_lazy(
        "Raise the budget, make it a soft one, choose a smaller audience, or launch on another day."
    ),
    "per_member": gettext_lazy("Raise how many the campaign gives each member, or launch a new run for the others."),
}


@dataclass(frozen=True)
class Shortfall:
    """A limit has too little left for a run; `needed` and `short` are assignments, or minor units of money.

    `code` is `cap_reached` or `budget_reached`; `reason` says which limit: `offer_cap`, `campaign_daily_budget` …
    """

    code: str
    reason: str
    needed: int
    short: int
    currency: str

    @property
    def owner(self) -> str:
        """Whose limit it is: `offer` or `campaign`."""
        return self.reason.partition("_")[0]

    @property
    def left(self) -> int:
        return self.needed - self.short

    @property
    def sentence(self) -> str:
        """Say what is missing, in the active language."""
        shown = {name: self._shown(getattr(self, name)) for name in ("needed", "left", "short")}
        return str(NEEDS[self._kind]) % (shown | {"owner": OWNERS[self.owner]})

    @property
    def advice(self) -> str:
        return str(WHAT_TO_DO[self._kind])

    @property
    def _kind(self) -> str:
        return self.reason.partition("_")[2]

    def _shown(self, number: int) -> str:
        if "budget" in self.reason:
            return money.display(number, self.currency)
        return number_format(number, use_l10n=True, force_grouping=True)

    def as_dict(self) -> dict[str, Any]:
        """Return it for machines, as a failed run keeps it."""
        return {
            "code": self.code,
            "reason": self.reason,
            "needed": self.needed,
            "short": self.short,
            "message": _("%(sentence)s %(advice)s") % {"sentence": self.sentence, "advice": self.advice},
        }


def failure(shortfalls: Sequence[Shortfall]) -> dict[str, Any]:
    """Return the failure of a run that limits have too little for: the first cause, and all of them as problems."""
    first = shortfalls[0].as_dict()
    if len(shortfalls) == 1:
        return first
    every = [each.as_dict() for each in shortfalls]
    return first | {"message": " ".join(each["message"] for each in every), "problems": every}


def of_failure(failure: Mapping[str, Any], *, currency: str) -> list[Shortfall]:
    """Return what a failed run lacked of limits; nothing where it failed for something else."""
    return [
        Shortfall(each["code"], each["reason"], each["needed"], each["short"], currency)
        for each in failure.get("problems") or [failure]
        if str(each.get("reason", "")).partition("_")[2] in NEEDS
    ]
