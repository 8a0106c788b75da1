"""From a template and the rule values given at a door to what an assignment carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from offers import rules
from offers.models import Audience, ConfigOffer, OfferTemplate, RepeatPolicy
from offers.services.reason import Reason, of_problem


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
        return refused("offer_closed", [Reason("offer_is_for_everyone", parameters={"offer": offer.name})])
    if revision is None or not offer.is_published:
        parameters = {"offer": offer.name, "state": str(offer.state)}
        return refused("offer_closed", [Reason("offer_not_published", parameters=parameters)])
    if template.archived_at:
        return refused("offer_closed", [Reason("template_archived", parameters={"template": template.name})])
    missing = rules.missing(template.required_rules, given)
    if missing:
        named = {"template": template.name}
        return refused("missing_rule", [Reason("missing_rule", rule=kind, parameters=named) for kind in missing])
    try:
        settled = rules.settle(effective, issued_at=now, zone=offer.programme.zone)
    except rules.InvalidTerms as error:
        return refused("invalid_value", [of_problem(found) for found in error.problems])
    if "personal" in effective and not rules.is_personal(effective):
        # The offer says that each member's terms come by an import, and this grant brings none (S1-01).
        return refused("offer_closed", [Reason("not_personal", rule="personal")])
    if settled.ends_at is not None and settled.ends_at <= now:
        parameters = {"ended_at": settled.ends_at.isoformat()}
        return refused("offer_closed", [Reason("period_over", rule="validity", parameters=parameters)])
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
