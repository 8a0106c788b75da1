"""Which wishes of a set go through, where its offers ask something of members or have limits.

Sets without any of that never come here. The wishes are decided one after the other in the order of the set, in
memory, as if each had come alone: a wish that is refused takes nothing from those behind it. What decides is read by a
fixed number of statements under the limits' locks; `assign` then does the rest as ever.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import OperationalError

from loyalty.database import rows
from loyalty.models import Programme
from offers.models import Limit, TargetingVersion
from offers.models.limit import day_of
from offers.services import eligibility, limit
from offers.services.reason import Reason
from offers.services.template_loading import Loaded
from offers.services.terms import Prepared
from offers.targeting import InvalidCriteria

if TYPE_CHECKING:
    from offers.services.assignment import Grant

# What `assign` would find for each wish. `chosen` bounds whose purchases an audience's criteria read.
FOUND = """
    WITH wish AS (
        SELECT * FROM unnest(%(n)s::int[], %(by_id)s::bigint[], %(by_external_id)s::text[], %(offers)s::bigint[],
                             %(keys)s::bigint[], %(audiences)s::bigint[])
               AS wish (n, by_id, by_external_id, config_offer_id, holding_key, audience)
    ), chosen AS MATERIALIZED (
        SELECT * FROM loyalty_member
         WHERE programme_id = %(programme_id)s
           AND id IN (SELECT by_id FROM wish
                       UNION ALL
                      SELECT named.id FROM wish JOIN loyalty_member AS named
                          ON named.programme_id = %(programme_id)s AND named.external_id = wish.by_external_id
                       WHERE wish.by_id IS NULL)
    ){eligible}
    SELECT member.n, member.id AS member_id,
           CASE member.audience {cases} ELSE TRUE END AS is_eligible,
           -- Unknown, not active or held: `assign` says so itself.
           member.id IS NULL OR member.status <> 'active' OR EXISTS (
                SELECT FROM offers_assignment AS held
                 WHERE held.member_id = member.id
                   AND held.config_offer_id = member.config_offer_id
                   AND held.holding_key = member.holding_key
           ) AS is_settled
      FROM (
            SELECT wish.*, coalesce(by_id.id, named.id) AS id, coalesce(by_id.status, named.status) AS status
              FROM wish
              LEFT JOIN chosen AS by_id ON by_id.id = wish.by_id
              LEFT JOIN chosen AS named ON wish.by_id IS NULL AND named.external_id = wish.by_external_id
           ) AS member
     ORDER BY member.n
"""
CODES_LEFT = """
    SELECT bank_id, sum(size - cursor)::bigint AS n FROM offers_vouchersegment
     WHERE bank_id = ANY(%s) AND cursor < size AND (expires_at IS NULL OR expires_at > %s)
     GROUP BY bank_id
"""


@dataclass(frozen=True)
class Wish:
    """A grant that can be done as far as its terms go: its place in the set, and under which key it is held."""

    n: int
    plan: int
    grant: "Grant"
    holding_key: int | None


@dataclass(frozen=True)
class Refused:
    code: str
    member_id: int | None
    reasons: Sequence[Reason]


@dataclass
class Admission:
    """What was decided, and what has to be counted once the set is assigned."""

    wishes: list[Wish]
    refused: dict[int, Refused] = field(default_factory=dict)
    ledger: limit.Ledger | None = None
    per_member: Mapping[int, Limit] = field(default_factory=dict)

    def settle(self, *, assigned: Sequence[tuple[Wish, int]], prepared: Mapping[int, Prepared], now: datetime) -> None:
        """Write down what was really given: (wish, member's id) of each that was assigned."""
        if self.ledger is None:
            return
        self.ledger.taken.clear()
        counted: Counter[tuple[int, int]] = Counter()
        for wish, member_id in assigned:
            self.ledger.take(**_of(wish, prepared))
            campaign_id = wish.grant.campaign_id
            if campaign_id is not None and campaign_id in self.per_member:
                counted[campaign_id, member_id] += 1
        limit.count_members(moved=counted)
        limit.count(taken=self.ledger.taken, day=self.ledger.day, now=now)

    def check(self, *, seen: int, offer_ids: Collection[int]) -> None:
        """Try the transaction again where a limit was set between our looking for limits and assigning."""
        campaigns = {wish.grant.campaign_id for wish in self.wishes}
        known = self.ledger.limits if self.ledger else ()
        if seen > sum(1 for one in known if one.config_offer_id in offer_ids or one.campaign_id in campaigns):
            raise _changed()


def _changed() -> OperationalError:
    error = OperationalError("A limit was set in this very moment.")
    error.__cause__ = psycopg.errors.SerializationFailure()
    return error


def decide(
    *,
    programme: Programme,
    wishes: Sequence[Wish],
    prepared: Mapping[int, Prepared],
    banks: Mapping[int, int],
    loaded: Loaded,
    now: datetime,
) -> Admission:
    """Decide which wishes go through; the banks are locked, expired holders freed."""
    offers = {one.offer.pk: one.offer for one in prepared.values()}
    versions = _versions({offer.eligibility_id for offer in offers.values() if offer.eligibility_id})
    conditions, broken = _conditions(programme, versions, now)
    limited = [pk for pk in offers if pk in loaded.limited_offers]
    campaign_limits = loaded.campaign_limits
    admission = Admission([])
    counts: dict[tuple[int, int], int] = {}
    if limited or campaign_limits:
        counted = {pk for pk, most in campaign_limits.items() if most}
        if counted:
            asked = [(w.grant.campaign_id, w.grant.member_id, w.grant.member_external_id) for w in wishes]
            asked_of = [(pk, one, name) for pk, one, name in asked if pk is not None and pk in counted]
            counts = limit.lock_counts(programme_id=programme.pk, wishes=asked_of)
        limits = limit.lock(offer_ids=limited, campaign_ids=list(campaign_limits))
        admission.per_member = {one.campaign_id: one for one in limits if one.campaign_id and one.per_member}
        if admission.per_member.keys() - counted:
            raise _changed()
        admission.ledger = limit.Ledger(limits, day_of(now, programme.zone), programme.currency)
    codes = _codes_left(banks, now)
    held: set[tuple[int, int, int | None]] = set()
    for wish, found in zip(wishes, _found(programme, wishes, prepared, conditions), strict=True):
        offer = prepared[wish.plan].offer
        key = (found["member_id"], offer.pk, wish.holding_key)
        if found["is_settled"] or (wish.holding_key is not None and key in held):
            admission.wishes.append(wish)
            continue
        member_id, campaign_id = found["member_id"], wish.grant.campaign_id
        refused: Refused | None = None
        full = admission.per_member.get(campaign_id) if campaign_id else None
        count = (campaign_id or 0, member_id)
        if offer.eligibility_id in broken:
            refused = Refused("offer_closed", member_id, [eligibility.unreadable(versions[offer.eligibility_id])])
        elif not found["is_eligible"]:
            version = versions[offer.eligibility_id]
            reason = eligibility.not_in_audience(version, conditions[version.pk])
            refused = Refused("ineligible", member_id, [reason])
        elif full and full.per_member and full.members_counted_at and counts.get(count, 0) >= full.per_member:
            refused = Refused("ineligible", member_id, [eligibility.campaign_is_full(full, counts[count])])
        elif admission.ledger and (why := admission.ledger.refusal(**_of(wish, prepared))):
            refused = Refused(why.code, member_id, [why.reason])
        elif offer.pk in banks and codes[banks[offer.pk]] < 1:
            refused = Refused("out_of_codes", member_id, ())
        if refused:
            admission.refused[wish.n] = refused
            continue
        admission.wishes.append(wish)
        held.add(key)
        if full:
            counts[count] = counts.get(count, 0) + 1
        if admission.ledger:
            admission.ledger.take(**_of(wish, prepared))
        if offer.pk in banks:
            codes[banks[offer.pk]] -= 1
    return admission


def _of(wish: Wish, prepared: Mapping[int, Prepared]) -> dict[str, Any]:
    one = prepared[wish.plan]
    return {
        "offer_id": one.offer.pk,
        "campaign_id": wish.grant.campaign_id,
        "exposure_minor": one.exposure_minor,
    }


def _versions(ids: set[int]) -> dict[int | None, TargetingVersion]:
    return (
        {one.pk: one for one in TargetingVersion.objects.filter(pk__in=ids).select_related("targeting")} if ids else {}
    )


def _codes_left(banks: Mapping[int, int], now: datetime) -> dict[int, int]:
    left: dict[int, int] = defaultdict(int)
    if banks:
        left |= {row["bank_id"]: row["n"] for row in rows(CODES_LEFT, [sorted(set(banks.values())), now])}
    return left


def _conditions(
    programme: Programme, versions: Mapping[int | None, TargetingVersion], now: datetime
) -> tuple[dict[int, eligibility.Condition], set[int | None]]:
    """Return what each version asks, and those that speak of what is no more."""
    conditions: dict[int, eligibility.Condition] = {}
    broken: set[int | None] = set()
    for number, version in enumerate(versions.values()):
        try:
            conditions[version.pk] = eligibility.condition(
                programme=programme, version=version, now=now, within="chosen", number=number
            )
        except InvalidCriteria:
            broken.add(version.pk)
    return conditions, broken


def _found(
    programme: Programme,
    wishes: Sequence[Wish],
    prepared: Mapping[int, Prepared],
    conditions: Mapping[int, eligibility.Condition],
) -> list[dict[str, Any]]:
    parameters: dict[str, Any] = {"programme_id": programme.pk}
    for one in conditions.values():
        parameters |= one.params
    offers = [prepared[wish.plan].offer for wish in wishes]
    eligible = "".join(
        f", eligible_{pk} AS MATERIALIZED (SELECT id FROM chosen AS member WHERE {one.sql})"
        for pk, one in conditions.items()
    )
    cases = " ".join(f"WHEN {pk} THEN member.id IN (SELECT id FROM eligible_{pk})" for pk in conditions)
    return rows(
        FOUND.format(eligible=eligible, cases=cases or "WHEN NULL THEN TRUE"),
        parameters
        | {
            "n": [wish.n for wish in wishes],
            "by_id": [wish.grant.member_id for wish in wishes],
            "by_external_id": [wish.grant.member_external_id for wish in wishes],
            "offers": [offer.pk for offer in offers],
            "keys": [wish.holding_key for wish in wishes],
            "audiences": [offer.eligibility_id for offer in offers],
        },
    )
