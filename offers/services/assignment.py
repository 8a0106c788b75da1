"""Assigning is a set operation, and there is one of it (DESIGN 4).

`assign` takes any set of grants from any door and answers each with an outcome; `assign_chunk` feeds the same INSERT
from a chunk of a frozen audience. Nothing else writes assignments.

Lock order: the door's row, then the bank's segments in the order of their ids, then expired holders in the order of
theirs, then (where there are limits) members' counts and limits, then the holding index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import IntegrityError, connection, transaction

from loyalty.database import execute, is_violation, prepared_rows, rows
from loyalty.models import Programme, User
from offers.models import RepeatPolicy, Source
from offers.services import admission, assignment_statements, template_loading, voucher_tape
from offers.services import terms as terms_service
from offers.services.admission import Wish
from offers.services.reason import Reason
from offers.services.template_loading import Loaded
from offers.services.terms import Prepared

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Grant:
    """One wish: this member is to get this template's offer. Name the member by id or by external id."""

    template_id: int
    member_id: int | None = None
    member_external_id: str | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)
    campaign_id: int | None = None
    rank: int | None = None
    reference: str | None = None
    fields: Mapping[str, Any] | None = None
    replaces_id: UUID | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one grant."""

    code: str
    assignment_id: UUID | None = None
    member_id: int | None = None
    reasons: Sequence[Reason] = ()

    @property
    def is_assigned(self) -> bool:
        return self.code == "assigned"

    def as_dict(self) -> dict[str, Any]:
        return self._given([reason.as_dict() for reason in self.reasons])

    def as_stored(self) -> dict[str, Any]:
        """Return the outcome as a door keeps it: its reasons by code, without sentences."""
        return self._given([reason.as_stored() for reason in self.reasons])

    def _given(self, reasons: list[dict[str, Any]]) -> dict[str, Any]:
        answer: dict[str, Any] = {"outcome": self.code}
        if self.assignment_id:
            answer["assignment"] = str(self.assignment_id)
        return answer | ({"reasons": reasons} if reasons else {})


def assign(
    *, programme: Programme, grants: Sequence[Grant], source: Source, actor: User | None, now: datetime
) -> list[Outcome]:
    """Give each member her offer, as one statement for the whole set, and answer each grant in its order.

    A refused grant never fails its neighbours (outcomes: assigned, already_held, unknown_member, member_inactive,
    offer_closed, missing_rule, invalid_value, ineligible, cap_reached, budget_reached, out_of_codes). Codes are drawn
    earliest expiry first; single doors get what is there, and the first of the set get what is left of a limit. Call
    inside a transaction whose outermost door retries deadlocks. The number of statements does not depend on the number
    of grants. (S0-01, S0-02, S0-07..11, S4-09, S4-10, S4-12..15, D-01, D-05)
    """
    if not connection.in_atomic_block:
        raise RuntimeError("assign() belongs into the door's transaction.")
    outcomes: list[Outcome | None] = [None] * len(grants)
    loaded = template_loading.load(
        programme=programme,
        ids={grant.template_id for grant in grants},
        campaign_ids={grant.campaign_id for grant in grants if grant.campaign_id},
    )
    plans: dict[tuple[int, bytes], tuple[int, Prepared]] = {}
    wishes: list[Wish] = []
    for n, grant in enumerate(grants):
        template = loaded.templates.get(grant.template_id)
        if template is None:
            outcomes[n] = Outcome("offer_closed", reasons=[Reason("unknown_template")])
            continue
        key = (grant.template_id, orjson.dumps(grant.terms, option=orjson.OPT_SORT_KEYS))
        if key not in plans:
            plans[key] = (len(plans), terms_service.prepare(template=template, given=grant.terms, now=now))
        number, prepared = plans[key]
        if prepared.refusal:
            outcomes[n] = Outcome(prepared.refusal, reasons=prepared.reasons)
            continue
        held_under = terms_service.holding_key(policy=prepared.offer.repeat_policy, campaign_id=grant.campaign_id)
        wishes.append(Wish(n, number, grant, held_under))
    if wishes:
        usable = [(number, prepared) for number, prepared in plans.values() if not prepared.refusal]
        for row in _execute(programme, loaded, usable, wishes, source, actor, now):
            outcomes[row["n"]] = Outcome(row["code"], row["assignment_id"], row["member_id"], row.get("reasons", ()))
    return [outcome for outcome in outcomes if outcome is not None]


def _execute(
    programme: Programme,
    loaded: Loaded,
    plans: Sequence[tuple[int, Prepared]],
    wishes: Sequence[Wish],
    source: Source,
    actor: User | None,
    now: datetime,
) -> list[dict[str, Any]]:
    """Lock the banks, free what has expired, decide about limits, assign, and give back what a race left over."""
    prepared_by_number = dict(plans)
    banks = {
        prepared.offer.pk: prepared.offer.voucher_bank.pk for _, prepared in plans if prepared.offer.require_vouchers
    }
    if banks:
        voucher_tape.lock(bank_ids=sorted(set(banks.values())), now=now)
    _free_expired(programme, prepared_by_number, wishes, now)
    decided = _decide(programme, loaded, prepared_by_number, wishes, banks, now)
    refused = [
        {"n": n, "code": one.code, "assignment_id": None, "member_id": one.member_id, "reasons": one.reasons}
        for n, one in decided.refused.items()
    ]
    if not decided.wishes:
        return refused
    answered = prepared_rows(
        assignment_statements.ASSIGN,
        {
            "plans": orjson.dumps([_plan(number, one, banks, now) for number, one in plans]).decode(),
            "wishes": orjson.dumps([_wish(one, prepared_by_number[one.plan]) for one in decided.wishes]).decode(),
            "programme_id": programme.pk,
            "source": int(source),
            "actor_id": actor.pk if actor else None,
            "now": now,
        },
    )
    answers: list[dict[str, Any]] = [dict(zip(assignment_statements.ASSIGNED, row, strict=True)) for row in answered]
    decided.check(seen=answers[0]["limits"], offer_ids={one.offer.pk for _, one in plans})
    unused = [row["unused_code_id"] for row in answers if row["unused_code_id"] is not None]
    if unused:
        voucher_tape.give_back(code_ids=unused)
    given = {row["n"]: row["member_id"] for row in answers if row["assignment_id"]}
    decided.settle(
        assigned=[(wish, given[wish.n]) for wish in decided.wishes if wish.n in given],
        prepared=prepared_by_number,
        now=now,
    )
    return answers + refused


def _plan(number: int, prepared: Prepared, banks: Mapping[int, int], now: datetime) -> dict[str, Any]:
    offer = prepared.offer
    return {
        "plan": number,
        "config_offer_id": offer.pk,
        "revision_id": offer.current_revision_id,
        "template_id": prepared.template.pk,
        "bank_id": banks.get(offer.pk),
        "terms": prepared.given or None,
        "starts_at": prepared.starts_at,
        "ends_at": prepared.ends_at,
        "acceptance_required": prepared.acceptance_required,
        "exposure_minor": prepared.exposure_minor,
        # Only a synchronized assignment is ready to be used; without a till to wait for it is so at once (S4-06).
        "synchronized_at": None if offer.to_synchronize else now,
    }


def _wish(wish: Wish, prepared: Prepared) -> dict[str, Any]:
    grant = wish.grant
    return {
        "n": wish.n,
        "plan": wish.plan,
        "by_id": grant.member_id,
        "by_external_id": grant.member_external_id,
        "campaign_id": grant.campaign_id,
        "holding_key": wish.holding_key,
        "rank": prepared.offer.rank if grant.rank is None else grant.rank,
        "reference": grant.reference,
        "fields": grant.fields or None,
        "replaces_id": grant.replaces_id,
    }


def _decide(
    programme: Programme,
    loaded: Loaded,
    prepared: Mapping[int, Prepared],
    wishes: Sequence[Wish],
    banks: Mapping[int, int],
    now: datetime,
) -> admission.Admission:
    """Let all wishes through where nothing is asked of members and nothing is limited: no statement is spent on it."""
    is_asked = any(one.offer.eligibility_id for one in prepared.values())
    if not is_asked and not loaded.campaign_limits and not loaded.limited_offers:
        return admission.Admission(list(wishes))
    return admission.decide(programme=programme, wishes=wishes, prepared=prepared, banks=banks, loaded=loaded, now=now)


def _free_expired(
    programme: Programme,
    prepared: Mapping[int, Prepared],
    wishes: Sequence[Wish],
    now: datetime,
) -> None:
    """Let go of expired holders, for the offers of which a member may have one open at a time."""
    pairs = [
        (wish.grant, prepared[wish.plan].offer.pk)
        for wish in wishes
        if prepared[wish.plan].offer.repeat_policy == RepeatPolicy.ONE_OPEN
    ]
    if not pairs:
        return
    unresolved = [grant.member_external_id for grant, _ in pairs if grant.member_id is None]
    ids = (
        {
            row["external_id"]: row["id"]
            for row in rows(
                "SELECT id, external_id FROM loyalty_member WHERE programme_id = %s AND external_id = ANY(%s)",
                [programme.pk, unresolved],
            )
        }
        if unresolved
        else {}
    )
    members = [grant.member_id or ids.get(grant.member_external_id) for grant, _ in pairs]
    execute(
        assignment_statements.FREE_EXPIRED, {"members": members, "offers": [offer for _, offer in pairs], "now": now}
    )


@dataclass(frozen=True)
class ChunkDone:
    """What became of a chunk: how many were assigned, how many refused by outcome, and what the former can cost.

    `exposure_minor` is None where each one costs what the run says.
    """

    assigned: int
    refused: dict[str, int]
    exposure_minor: int | None


def assign_chunk(*, parameters: Mapping[str, Any], has_own_values: bool = False) -> ChunkDone:
    """Assign one chunk of a frozen audience and return what became of it.

    With `has_own_values` terms, period and exposure are each member's own, as they were frozen (S1-05).

    Writes assignments, the refused members' outcomes and one outbox row. The chunk's row is locked by the caller.
    Every access is bounded by the chunk's member range and sequential scans are off, so that the planner cannot
    choose a scan per member where it has no statistics yet (PERFORMANCE.md: 210 s instead of 4 s).
    """
    execute("SELECT set_config('enable_seqscan', 'off', true), set_config('work_mem', '64MB', true)")
    if parameters["holding_key"] == -1:
        execute(assignment_statements.FREE_EXPIRED_OF_CHUNK, parameters)
    plain, in_a_race = assignment_statements.CHUNK, assignment_statements.CHUNK_IN_A_RACE
    if has_own_values:
        plain = assignment_statements.CHUNK_OF_OWN_VALUES
        in_a_race = assignment_statements.CHUNK_OF_OWN_VALUES_IN_A_RACE
    try:
        with transaction.atomic():
            answer = rows(plain, parameters)[0]
    except IntegrityError as error:
        if not is_violation(error, "a_member_holds_an_offer_once_per_key"):
            raise
        # Another door gave one of them the offer in this very moment.
        log.info("mass_assignment.chunk_raced", run=parameters["run_id"], chunk=parameters["chunk"])
        answer = rows(in_a_race, parameters)[0]
    refused = answer["refused"]
    refused = orjson.loads(refused) if isinstance(refused, str) else refused
    return ChunkDone(answer["assigned"], refused, answer["exposure_minor"])
