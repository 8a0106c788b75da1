"""Why a grant is refused: a code with what fills its sentence; the sentence is said when somebody reads it.

Doors keep the code and the parameters, so that whoever reads an old answer reads it in her own language.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from loyalty import money
from offers import targeting
from offers.models import ConfigOffer, TargetingVersion
from offers.rules import KINDS, problem
from offers.selectors import targeting as targeting_selector
from offers.targeting import Criteria

# By code. What is wrong with a rule's value is said by the rules themselves.
SENTENCES: dict[str, str | Promise] = {
    "unknown_template": _("There is no such template."),
    "offer_is_for_everyone": _("“%(offer)s” is for everyone: it is shown to all members and never assigned."),
    "offer_not_published": _("“%(offer)s” is %(state)s. Publish it before assigning it."),
    "template_archived": _("The template “%(template)s” is archived. Choose another one."),
    "missing_rule": _("The template “%(template)s” requires a value for “%(rule)s”."),
    "period_over": _("The period is already over: it ended at %(ended_at)s UTC."),
    "not_in_audience": _("The offer is only for members of “%(audience)s”, and she is not one."),
    "conditions_not_met": _("The offer asks of its members: %(conditions)s. That does not hold for this one."),
    "audience_unreadable": _(
        "The audience “%(audience)s” speaks of what is no more. Mend it, then choose it for the offer again."
    ),
    "campaign_per_member": _("The campaign gives each member at most %(limit)s offers, and she was given %(given)s."),
    "offer_cap": _("The offer may be given %(limit)s times in all, and no more is left."),
    "offer_daily_cap": _("The offer may be given %(limit)s times a day. Try again tomorrow."),
    "offer_budget": _("The offer has a budget of %(limit)s, and what is left does not cover this."),
    "offer_daily_budget": _("The offer has a budget of %(limit)s a day. Try again tomorrow."),
    "campaign_cap": _("The campaign may give %(limit)s offers in all, and no more is left."),
    "campaign_daily_cap": _("The campaign may give %(limit)s offers a day. Try again tomorrow."),
    "campaign_budget": _("The campaign has a budget of %(limit)s, and what is left does not cover this."),
    "campaign_daily_budget": _("The campaign has a budget of %(limit)s a day. Try again tomorrow."),
}
# The same reason for a whole run, where nobody is named.
OF_A_RUN = {
    "campaign_per_member": _("The campaign gave as many offers as it may to some of the members meanwhile."),
}


class Conditions:
    """What an offer asks of its members, in one version of its criteria: said once in each language that asks."""

    def __init__(self, version_id: int, criteria: Criteria | None = None) -> None:
        """Take the checked criteria where they are at hand; otherwise they are read when they are to be said."""
        self.version_id = version_id
        self._criteria = criteria
        self._said: dict[str | None, str] = {}

    def __str__(self) -> str:
        language = get_language()
        if language not in self._said:
            self._said[language] = self._sentence()
        return self._said[language]

    def _sentence(self) -> str:
        try:
            self._criteria = self._criteria or self._read()
        except targeting.InvalidCriteria:
            # What they speak of may be gone since.
            self._criteria = None
        if self._criteria is None:
            return str(_("what can no longer be told"))
        return str(targeting.sentence(self._criteria))

    def _read(self) -> Criteria | None:
        version = TargetingVersion.objects.select_related("targeting__programme").filter(pk=self.version_id).first()
        if version is None:
            return None
        return targeting_selector.read(version.criteria, programme=version.targeting.programme)


@dataclass(frozen=True)
class Reason:
    """Why something was refused: a stable code, the rule and field it is about, and what fills the sentence.

    `said` is the sentence of a refusal from before its parameters were kept. `conditions` are what an offer asks for,
    where they are at hand; reasons of one set share them.
    """

    code: str
    rule: str = ""
    field: str = ""
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    said: str = ""
    conditions: "Conditions | None" = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def message(self) -> str:
        """Say the reason in the active language."""
        if self.said:
            return self.said
        if self.code == "campaign_per_member" and not self.parameters:
            return str(OF_A_RUN[self.code])
        if self.code not in SENTENCES:
            return problem.sentence(
                self.code, self.rule, self.field, self.parameters.get("value"), dict(self.parameters)
            )
        return str(SENTENCES[self.code]) % self._words()

    def as_dict(self) -> dict[str, Any]:
        """Return the reason for machines, its sentence included."""
        return self._given({"message": self.message})

    def as_stored(self) -> dict[str, Any]:
        """Return the reason as a door keeps it: without a sentence, but for one that cannot be said anew."""
        return self._given({"said": self.said})

    def _given(self, more: Mapping[str, str]) -> dict[str, Any]:
        values = {"code": self.code, "rule": self.rule, "field": self.field, **more}
        return {name: value for name, value in values.items() if value} | (
            {"parameters": dict(self.parameters)} if self.parameters else {}
        )

    def _words(self) -> dict[str, Any]:
        words = dict(self.parameters)
        if "currency" in words:
            words["limit"] = money.display(words["limit"], words["currency"])
        if "state" in words:
            words["state"] = ConfigOffer.State(words["state"]).label
        if "ended_at" in words:
            words["ended_at"] = f"{datetime.fromisoformat(words['ended_at']):%Y-%m-%d %H:%M}"
        if "targeting_version" in words:
            words["conditions"] = str(self.conditions or Conditions(words["targeting_version"]))
        if self.rule:
            words["rule"] = str(KINDS[self.rule].label) if self.rule in KINDS else self.rule
        return words


def of_problem(found: Mapping[str, Any]) -> Reason:
    """Return the reason that a rule's problem is."""
    value = {} if found.get("value") is None else {"value": found["value"]}
    return Reason(
        str(found["code"]),
        rule=str(found.get("rule", "")),
        field=str(found.get("field", "")),
        parameters=value | dict(found.get("parameters", {})),
    )


def read(stored: Mapping[str, Any], known: dict[int, Conditions] | None = None) -> Reason:
    """Return the reason that a door kept. Reasons read with the same `known` share the conditions they speak of."""
    version_id = stored.get("parameters", {}).get("targeting_version")
    conditions = None
    if known is not None and version_id is not None:
        conditions = known.setdefault(version_id, Conditions(version_id))
    return Reason(
        conditions=conditions,
        code=str(stored["code"]),
        rule=str(stored.get("rule", "")),
        field=str(stored.get("field", "")),
        parameters=stored.get("parameters", {}),
        said=str(stored.get("said", "")),
    )
