"""From a template and the rule values given at a door to what an assignment carries."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from offers import rules
from offers.models import Audience, ConfigOffer, OfferTemplate, RepeatPolicy


@dataclass(frozen=True)
class Reason:
    """Why something was refused: a stable code, the rule and field it is about, and what fills the sentence."""

    code: str
    rule: str = ""
    field: str = ""
    message: str = ""
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        values = {"code": self.code, "rule": self.rule, "field": self.field, "message": self.message}
        return {name: value for name, value in values.items() if value} | (
            {"parameters": dict(self.parameters)} if self.parameters else {}
        )


@dataclass(frozen=True)
class Prepared:
    """What each assignment under this template and these values carries, or why there can be none."""

    template: OfferTemplate
    given: Mapping[str, Any]
    effective: Mapping[str, Any]
    refusal: str | None = None
    reasons: Sequence[Reason] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    acceptance_required: bool = False
    exposure_minor: int = 0

    @property
    def offer(self) -> ConfigOffer:
        return self.template.config_offer


def prepare(*, template: OfferTemplate, given: Mapping[str, Any], now: datetime) -> Prepared:
    """Check the values given at a door against the template and settle what the assignment will carry.

    `template` comes with its config offer, that offer's current revision and programme loaded. Refusals are
    `offer_closed`, `missing_rule` (each missing rule is named, S0-07) and `invalid_value` (each bad field is named);
    given values replace the offer's own, rule by rule (S0-08).
    """
    offer = template.config_offer
    revision = offer.current_revision
    base = revision.terms if revision else offer.terms
    effective = rules.effective(base, given)

    def refused(code: str, reasons: Sequence[Reason]) -> Prepared:
        return Prepared(template, given, effective, refusal=code, reasons=reasons)

    if offer.audience == Audience.EVERYONE:
        message = f"“{offer.name}” is for everyone: it is shown to all members and never assigned."
        return refused("offer_closed", [Reason("offer_is_for_everyone", message=message)])
    if revision is None or not offer.is_published:
        message = f"“{offer.name}” is {offer.get_state_display()}. Publish it before assigning it."
        return refused("offer_closed", [Reason("offer_not_published", message=message)])
    if template.archived_at:
        message = f"The template “{template.name}” is archived. Choose another one."
        return refused("offer_closed", [Reason("template_archived", message=message)])
    missing = rules.missing(template.required_rules, given)
    if missing:
        return refused(
            "missing_rule",
            [
                Reason(
                    "missing_rule",
                    rule=kind,
                    message=f"The template “{template.name}” requires a value for “{rules.KINDS[kind].label}”.",
                )
                for kind in missing
            ],
        )
    try:
        settled = rules.settle(effective, issued_at=now, zone=offer.programme.zone)
    except rules.InvalidTerms as error:
        return refused(
            "invalid_value",
            [
                Reason(
                    str(problem["code"]),
                    rule=str(problem.get("rule", "")),
                    field=str(problem.get("field", "")),
                    message=str(problem["message"]),
                )
                for problem in error.problems
            ],
        )
    if settled.ends_at is not None and settled.ends_at <= now:
        message = f"The period is already over: it ended at {settled.ends_at:%Y-%m-%d %H:%M} UTC."
        return refused("offer_closed", [Reason("period_over", rule="validity", message=message)])
    return Prepared(
        template,
        given,
        effective,
        starts_at=settled.starts_at,
        ends_at=settled.ends_at,
        acceptance_required=settled.acceptance_required,
        exposure_minor=settled.exposure_minor,
    )


def holding_key(*, policy: str, campaign_id: int | None) -> int | None:
    """Return the number under which a member holds the offer (D-01); None means that nothing is held."""
    return {
        RepeatPolicy.ONCE_PER_CAMPAIGN: campaign_id,
        RepeatPolicy.ONE_OPEN: -1,
        RepeatPolicy.ONCE_EVER: 0,
        RepeatPolicy.UNLIMITED: None,
    }[RepeatPolicy(policy)]
