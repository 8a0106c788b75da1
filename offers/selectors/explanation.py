"""What is known of one member and one offer: everything that an explanation speaks of, in a fixed number of queries.

What she holds is bounded, and so are runs and refusals: the latest of each, which is what people ask about. (B-02)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import BigIntegerField, F
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from loyalty.database import rows
from loyalty.models import Member
from loyalty.selectors import consent
from offers import rules
from offers.models import (
    Assignment,
    AssignmentEvent,
    ConfigOffer,
    DoorEntry,
    OfferTemplate,
    PersonalOfferRow,
    Redemption,
    RunSchedule,
)
from offers.rules import redemption_limit
from offers.selectors import targeting_explanation

MOST_HELD = 30
MOST_RUNS = 20
MOST_SCHEDULES = 10
MOST_REFUSALS = 20
ENDINGS = ("revoked", "undone", "reissued", "closed", "declined")
# The most usable first.
LIVE = ("usable", "upcoming", "waiting_for_acceptance", "waiting_for_till")
NOT_BEGUN = {"awaiting_approval", "scheduled"}

# A run's frozen audience holds a row of hers, or none; the chunk that she lies in says whether the run came to her.
RUNS = """
    SELECT run.id, run.name, run.state, run.launch_at, run.planned_at, run.finished_at, run.hold_out_percent,
           run.created_at, version.id AS version_id, version.criteria, version.number,
           targeting.name AS audience, schedule.name AS schedule, campaign.name AS campaign,
           audience.member_id IS NOT NULL AS is_matched, audience.outcome,
           audience.details ->> 'reason' AS reason, chunk.done_at, chunk.failed_at
      FROM offers_massassignment AS run
      LEFT JOIN offers_targetingversion AS version ON version.id = run.targeting_version_id
      LEFT JOIN offers_targeting AS targeting ON targeting.id = version.targeting_id
      LEFT JOIN offers_runschedule AS schedule ON schedule.id = run.schedule_id
      LEFT JOIN offers_campaign AS campaign ON campaign.id = run.campaign_id AND NOT campaign.is_of_run
      LEFT JOIN offers_audiencemember AS audience ON audience.run_id = run.id AND audience.member_id = %(member_id)s
      LEFT JOIN LATERAL (
            SELECT chunk.done_at, chunk.failed_at FROM offers_massassignmentchunk AS chunk
             WHERE chunk.run_id = run.id AND audience.ordinal IS NOT NULL
               AND chunk.first_member_id <= audience.member_id AND chunk.last_member_id >= audience.member_id
             LIMIT 1
           ) AS chunk ON TRUE
     WHERE run.programme_id = %(programme_id)s AND run.config_offer_id = %(offer_id)s AND run.state <> 'draft'
     ORDER BY run.id DESC
     LIMIT %(most)s
"""


@dataclass(frozen=True)
class Held:
    """One assignment of hers with what happened to it."""

    assignment: Assignment
    status: str
    ending: AssignmentEvent | None
    """The event that ended it, with who did it and why."""
    uses: Sequence[Redemption]
    limit: int
    successor: UUID | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def ended_by(self) -> str:
        """Return the verb that ended it, else its status."""
        return self.ending.verb if self.ending and self.status in {"revoked", "closed"} else self.status


@dataclass(frozen=True)
class Run:
    """A run of the offer, and where she stands in it."""

    id: int
    name: str
    state: str
    launch_at: datetime | None
    planned_at: datetime | None
    finished_at: datetime | None
    hold_out_percent: Any
    created_at: datetime
    version_id: int | None
    criteria: Any
    number: int | None
    audience: str | None
    schedule: str | None
    campaign: str | None
    is_matched: bool
    outcome: str | None
    reason: str | None
    done_at: datetime | None
    failed_at: datetime | None

    @property
    def is_frozen(self) -> bool:
        return self.planned_at is not None

    @property
    def at(self) -> datetime:
        return self.finished_at or self.planned_at or self.created_at

    @property
    def where(self) -> str:
        """Return where she stands: `planned`, `out`, an outcome's code, `waiting`, `stopped`, `given`, or `nothing`.

        `nothing`: the run ended before it had an audience.
        """
        if self.state in NOT_BEGUN:
            return "planned"
        if not self.is_frozen:
            return "nothing"
        if not self.is_matched:
            return "out"
        if self.outcome:
            return self.outcome
        if self.done_at:
            return "given"
        return "waiting" if self.state in {"planned", "running"} and not self.failed_at else "stopped"


@dataclass(frozen=True)
class Waiting:
    """A grant of the offer to her that waits for a second person. A door that knows of such grants hands it in."""

    asked_at: datetime
    asked_by: str
    url: str = ""
    """Where the door shows it, if the person may open it."""
    terms: Mapping[str, Any] = field(default_factory=dict)
    """The rule values that it was asked with, above the offer's own."""

    def is_over(self, offer: ConfigOffer, now: datetime) -> bool:
        """Say whether the last day that it would have is past, so that approving it is refused."""
        own = offer.current_revision.terms if offer.current_revision else offer.terms
        end = rules.fixed_end(rules.effective(own, self.terms), zone=offer.programme.zone)
        return end is not None and end <= now


@dataclass(frozen=True)
class Facts:
    """All of it. `audiences` says by version of the criteria whether she is meant now; None: it cannot be read."""

    member: Member
    offer: ConfigOffer
    held: Sequence[Held]
    refusals: Sequence[DoorEntry]
    runs: Sequence[Run]
    schedules: Sequence[RunSchedule]
    imports: Sequence[PersonalOfferRow]
    consents: Sequence[consent.State]
    template: OfferTemplate | None
    everyone_uses: Sequence[Redemption] = ()
    audiences: Mapping[int, targeting_explanation.Explanation | None] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    """The oldest first."""

    def still_open(self, now: datetime) -> list[Waiting]:
        """Return what waits and has a day left that it could be approved for."""
        return [one for one in self.waiting if not one.is_over(self.offer, now)]


def facts(
    *,
    member: Member,
    offer_id: int,
    template: OfferTemplate | None,
    now: datetime,
    asked: Assignment | None = None,
    waiting: Sequence[Waiting] = (),
) -> Facts:
    """Return what is known of the member and the offer. `asked` is an assignment of hers that must be among them.

    `waiting` is what the door knows besides.
    """
    offer = ConfigOffer.objects.select_related(
        "programme", "current_revision", "voucher_bank", "eligibility__targeting"
    ).get(pk=offer_id)
    key = {"member_id": member.pk, "programme_id": member.programme_id, "offer_id": offer.pk, "most": MOST_RUNS}
    runs = [Run(**{**row, "criteria": _json(row["criteria"])}) for row in rows(RUNS, key)]
    schedules = list(
        RunSchedule.objects.filter(template__config_offer=offer, ended_at__isnull=True, next_at__isnull=False)
        .select_related("targeting_version__targeting")
        .order_by("next_at", "pk")[:MOST_SCHEDULES]
    )
    uses = list(
        Redemption.objects.standing()
        .filter(member=member, config_offer=offer)
        .select_related("purchase__store")
        .order_by("redeemed_at", "pk")[:500]
    )
    return Facts(
        member=member,
        offer=offer,
        held=_held(member, offer, uses, asked, now),
        refusals=_refusals(member, offer),
        runs=runs,
        schedules=schedules,
        imports=_imports(member, offer),
        consents=consent.of_member(member=member),
        template=template or OfferTemplate.objects.filter(config_offer=offer, is_default=True).first(),
        everyone_uses=[use for use in uses if use.assignment_id is None],
        audiences=_audiences(member, offer, runs, schedules, now),
        waiting=waiting,
    )


def _held(
    member: Member, offer: ConfigOffer, uses: Sequence[Redemption], asked: Assignment | None, now: datetime
) -> list[Held]:
    related = Assignment.objects.filter(member=member, config_offer=offer).select_related(
        "revision", "template", "run", "campaign", "actor", "voucher_code__segment__batch"
    )
    found = list(related.order_by("-issued_at", "-pk")[:MOST_HELD])
    if asked is not None and asked.pk not in {one.pk for one in found}:
        found += related.filter(pk=asked.pk)
    for one in found:
        # As it was read already, with programme and revision.
        one.member, one.config_offer = member, offer
    ids = [one.pk for one in found]
    ended: dict[UUID, AssignmentEvent] = {}
    events = AssignmentEvent.objects.filter(assignment__in=ids, verb__in=ENDINGS).select_related("actor", "api_client")
    for event in events.order_by("id"):
        ended[event.assignment_id] = event
    successors = {one.replaces_id: one.pk for one in found if one.replaces_id}
    return [
        Held(
            assignment=one,
            status=one.status(now),
            ending=ended.get(one.pk),
            uses=[use for use in uses if use.assignment_id == one.pk],
            limit=redemption_limit.uses(rules.effective(one.revision.terms, one.terms or {})),
            successor=successors.get(one.pk),
        )
        for one in found
    ]


def _refusals(member: Member, offer: ConfigOffer) -> list[DoorEntry]:
    """Return what doors refused her of this offer, the latest first; by the index of a member's entries."""
    template = Cast(KeyTextTransform("template", "answer"), BigIntegerField())
    return list(
        DoorEntry.objects.filter(member=member, assignment__isnull=True)
        .annotate(of_template=template)
        .filter(of_template__in=OfferTemplate.objects.filter(config_offer=offer).values("pk"))
        .select_related("actor")
        .order_by("-created_at", "-pk")[:MOST_REFUSALS]
    )


def _imports(member: Member, offer: ConfigOffer) -> list[PersonalOfferRow]:
    """Return what imports of personal offers left out of hers, the latest first."""
    return list(
        PersonalOfferRow.objects.filter(member=member, upload__config_offer=offer, upload__committed_at__isnull=False)
        .filter(outcome__in=(PersonalOfferRow.Outcome.REFUSED, PersonalOfferRow.Outcome.FAULTY))
        .select_related("upload")
        .order_by(F("upload_id").desc(), "number")[:5]
    )


def _audiences(
    member: Member, offer: ConfigOffer, runs: Sequence[Run], schedules: Sequence[RunSchedule], now: datetime
) -> dict[int, targeting_explanation.Explanation | None]:
    trees = {run.version_id: run.criteria for run in runs if run.version_id}
    trees |= {one.targeting_version_id: one.targeting_version.criteria for one in schedules}
    if offer.eligibility is not None:
        trees[offer.eligibility.pk] = offer.eligibility.criteria
    return targeting_explanation.explain_each(trees, programme=offer.programme, member=member, now=now)


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value
