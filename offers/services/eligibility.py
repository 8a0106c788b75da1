"""Who may be given an offer: the criteria it asks of members, as SQL over any set of them (S0-02, D-01).

An offer may ask for a saved audience, in the version that was chosen; a campaign may limit how many of its offers a
member gets. Both are reasons of the outcome `ineligible`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loyalty.database import rows
from loyalty.models import Programme
from offers.models import ConfigOffer, Limit, MemberCount, TargetingVersion
from offers.selectors import targeting as targeting_selector
from offers.services.reason import Conditions, Reason
from offers.targeting import Criteria, InvalidCriteria

# Stable codes of the reasons; a run keeps them with each member it left out.
NOT_IN_AUDIENCE = "not_in_audience"
CONDITIONS_NOT_MET = "conditions_not_met"
CAMPAIGN_PER_MEMBER = "campaign_per_member"


@dataclass(frozen=True)
class Condition:
    """What an offer asks of members: a boolean over `member`, with parameters whose names begin with `eligible_`."""

    sql: str
    params: Mapping[str, Any]
    criteria: Criteria
    said: Conditions


def condition(
    *, programme: Programme, version: TargetingVersion, now: datetime, within: str = "", number: int = 0
) -> Condition:
    """Return the predicate of a version's criteria; `number` tells several in one statement apart.

    Raises targeting.InvalidCriteria where the criteria speak of what was deleted since.
    """
    criteria = targeting_selector.read(version.criteria, programme=programme)
    predicate = targeting_selector.where(programme=programme, criteria=criteria, now=now, within=within)
    prefix = f"eligible_{number}_"
    return Condition(
        sql=re.sub(r"%\(targeting_", f"%({prefix}", predicate.sql),
        params={name.replace("targeting_", prefix, 1): value for name, value in predicate.params.items()},
        criteria=criteria,
        said=Conditions(version.pk, criteria),
    )


def code_of(version: TargetingVersion) -> str:
    """Return the code of the reason with which this version leaves members out."""
    return CONDITIONS_NOT_MET if version.targeting.config_offer_id else NOT_IN_AUDIENCE


def not_in_audience(version: TargetingVersion, asked: Condition) -> Reason:
    """Say that the member is not among those whom the offer is for."""
    name = version.targeting.name
    if version.targeting.config_offer_id:
        # Which conditions they are is kept, not how they read in the language of whoever asks first.
        parameters = {"targeting_version": version.pk, "version": version.number}
        return Reason(CONDITIONS_NOT_MET, parameters=parameters, conditions=asked.said)
    return Reason(
        NOT_IN_AUDIENCE,
        parameters={"audience": name, "version": version.number},
    )


def unreadable(version: TargetingVersion) -> Reason:
    """Say that nobody can tell whom the offer is for."""
    name = version.targeting.name
    return Reason(
        "audience_unreadable",
        parameters={"audience": name, "version": version.number},
    )


def campaign_is_full(limit: Limit, held: int) -> Reason:
    """Say that the campaign gave the member as many offers as it gives one member."""
    return Reason(
        CAMPAIGN_PER_MEMBER,
        parameters={"limit": limit.per_member, "given": held},
    )


def preview(
    *, programme: Programme, offer: ConfigOffer, member_id: int, campaign_id: int | None, now: datetime
) -> tuple[str, Reason] | None:
    """Return the outcome and the reason with which `assign` would refuse this member now, or None."""
    version = offer.eligibility
    if version is not None:
        try:
            asked = condition(programme=programme, version=version, now=now, within="chosen")
        except InvalidCriteria:
            return "offer_closed", unreadable(version)
        found = rows(
            "WITH chosen AS MATERIALIZED (SELECT * FROM loyalty_member WHERE id = %(member_id)s)"
            f" SELECT FROM chosen AS member WHERE {asked.sql}",
            {**asked.params, "member_id": member_id},
        )
        if not found:
            return "ineligible", not_in_audience(version, asked)
    limit = Limit.objects.filter(campaign_id=campaign_id, per_member__isnull=False).first() if campaign_id else None
    if limit is not None and limit.per_member and limit.members_counted_at and campaign_id is not None:
        counted = MemberCount.objects.filter(campaign_id=campaign_id, member_id=member_id).first()
        if counted and counted.assigned >= limit.per_member:
            return "ineligible", campaign_is_full(limit, counted.assigned)
    return None
