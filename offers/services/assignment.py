"""Assigning is a set operation, and there is one of it (DESIGN 4).

`assign` takes any set of grants from any door and answers each with an outcome; `assign_chunk` feeds the same INSERT
from a chunk of a frozen audience. Nothing else writes assignments.

Lock order: the door's row, then the bank's segments in the order of their ids, then expired holders in the order of
theirs, then (where there are limits) members' counts and limits, then the holding index.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.contrib.postgres.expressions import ArraySubquery
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import JSONObject
from psycopg.errors import UniqueViolation

from loyalty.database import execute, rows
from loyalty.models import Programme, User
from offers.models import Limit, OfferTemplate, RepeatPolicy, Source
from offers.services import admission, assignment_statements, voucher_tape
from offers.services import terms as terms_service
from offers.services.admission import Wish
from offers.services.reason import Reason
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


def load_templates(
    *, programme: Programme, ids: set[int], campaign_ids: Collection[int] = ()
) -> dict[int, OfferTemplate]:
    """Return the programme's templates with offers, revisions, banks and limits, and their `campaign_limits`.

    One query, so that knowing of no limits costs no statement.
    """
    found = OfferTemplate.objects.filter(programme=programme, pk__in=ids).select_related(
        "config_offer__current_revision",
        "config_offer__voucher_bank",
        "config_offer__programme",
        "config_offer__limit",
    )
    if campaign_ids:
        limits = Limit.objects.filter(campaign_id__in=list(campaign_ids)).values(
            limit=JSONObject(campaign="campaign_id", per_member="per_member")
        )
        found = found.annotate(campaign_limits=ArraySubquery(limits))
    return {template.pk: template for template in found}


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
    templates = load_templates(
        programme=programme,
        ids={grant.template_id for grant in grants},
        campaign_ids={grant.campaign_id for grant in grants if grant.campaign_id},
    )
    plans: dict[tuple[int, bytes], tuple[int, Prepared]] = {}
    wishes: list[Wish] = []
    for n, grant in enumerate(grants):
        template = templates.get(grant.template_id)
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
        for row in _execute(programme, usable, wishes, source, actor, now):
            outcomes[row["n"]] = Outcome(row["code"], row["assignment_id"], row["member_id"], row.get("reasons", ()))
    return [outcome for outcome in outcomes if outcome is not None]


def _execute(
    programme: Programme,
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
    decided = _decide(programme, prepared_by_number, wishes, banks, now)
    parameters: dict[str, Any] = {
        "programme_id": programme.pk,
        "source": int(source),
        "actor_id": actor.pk if actor else None,
        "now": now,
    }
    columns: dict[str, list[Any]] = defaultdict(list)
    for number, prepared in plans:
        offer = prepared.offer
        columns["plan"].append(number)
        columns["config_offer_id"].append(offer.pk)
        columns["revision_id"].append(offer.current_revision_id)
        columns["template_id"].append(prepared.template.pk)
        columns["bank_id"].append(banks.get(offer.pk))
        columns["terms"].append(_json(prepared.given))
        columns["starts_at"].append(prepared.starts_at)
        columns["ends_at"].append(prepared.ends_at)
        columns["acceptance_required"].append(prepared.acceptance_required)
        columns["exposure_minor"].append(prepared.exposure_minor)
        # Only a synchronized assignment is ready to be used; without a till to wait for it is so at once (S4-06).
        columns["synchronized_at"].append(None if offer.to_synchronize else now)
    for wish in decided.wishes:
        grant, number = wish.grant, wish.plan
        columns["n"].append(wish.n)
        columns["of_plan"].append(number)
        columns["member_id"].append(grant.member_id)
        columns["member_external_id"].append(grant.member_external_id)
        columns["campaign_id"].append(grant.campaign_id)
        columns["holding_key"].append(wish.holding_key)
        columns["rank"].append(prepared_by_number[number].offer.rank if grant.rank is None else grant.rank)
        columns["reference"].append(grant.reference)
        columns["fields"].append(_json(grant.fields))
        columns["replaces_id"].append(grant.replaces_id)
    refused = [
        {"n": n, "code": one.code, "assignment_id": None, "member_id": one.member_id, "reasons": one.reasons}
        for n, one in decided.refused.items()
    ]
    if not decided.wishes:
        return refused
    answers = rows(assignment_statements.ASSIGN, parameters | columns)
    decided.check(seen=answers[0]["limits"], offer_ids=columns["config_offer_id"])
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


def _decide(
    programme: Programme,
    prepared: Mapping[int, Prepared],
    wishes: Sequence[Wish],
    banks: Mapping[int, int],
    now: datetime,
) -> admission.Admission:
    """Let all wishes through where nothing is asked of members and nothing is limited: no statement is spent on it."""
    limits: dict[int, int | None] = {}
    for one in prepared.values():
        limits |= {found["campaign"]: found["per_member"] for found in getattr(one.template, "campaign_limits", ())}
    is_asked = any(one.offer.eligibility_id or getattr(one.offer, "limit", None) for one in prepared.values())
    if not limits and not is_asked:
        return admission.Admission(list(wishes))
    return admission.decide(
        programme=programme, wishes=wishes, prepared=prepared, banks=banks, campaign_limits=limits, now=now
    )


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


def assign_chunk(*, parameters: Mapping[str, Any]) -> tuple[int, dict[str, int]]:
    """Assign one chunk of a frozen audience and return how many were assigned and how many refused by outcome.

    Writes assignments, the refused members' outcomes and one outbox row. The chunk's row is locked by the caller.
    Every access is bounded by the chunk's member range and sequential scans are off, so that the planner cannot
    choose a scan per member where it has no statistics yet (PERFORMANCE.md: 210 s instead of 4 s).
    """
    execute("SELECT set_config('enable_seqscan', 'off', true), set_config('work_mem', '64MB', true)")
    if parameters["holding_key"] == -1:
        execute(assignment_statements.FREE_EXPIRED_OF_CHUNK, parameters)
    try:
        with transaction.atomic():
            answer = rows(assignment_statements.CHUNK, parameters)[0]
    except IntegrityError as error:
        cause = error.__cause__
        holds = "a_member_holds_an_offer_once_per_key"
        if not isinstance(cause, UniqueViolation) or cause.diag.constraint_name != holds:
            raise
        # Another door gave one of them the offer in this very moment.
        log.info("mass_assignment.chunk_raced", run=parameters["run_id"], chunk=parameters["chunk"])
        answer = rows(assignment_statements.CHUNK_IN_A_RACE, parameters)[0]
    refused = answer["refused"]
    return answer["assigned"], orjson.loads(refused) if isinstance(refused, str) else refused


def _json(value: Mapping[str, Any] | None) -> str | None:
    return orjson.dumps(value).decode() if value else None
