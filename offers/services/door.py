"""Single grants from the desk, an API client or an inbound source, each with its own memory of references.

The same reference at the same door instance answers as before, refusals included, and is refused for another grant;
`assign` never looks references up.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError
from django.db.models import Q
from django.utils.translation import gettext as _

from loyalty.database import in_transaction, is_violation, prepared_rows
from loyalty.errors import Conflict
from loyalty.models import Member, Programme, User
from offers.models import Assignment, ConfigOffer, Source
from offers.selectors import voucher as voucher_selector
from offers.services import assignment, eligibility, limit, module, reason, template_loading, terms
from offers.services.assignment import Grant, Outcome
from offers.services.reason import Reason

# What was answered before, if anything, and the door's clock.
BEFORE = """
    SELECT clock_timestamp(), entry.member_id, entry.answer
      FROM (SELECT) AS door
      LEFT JOIN offers_doorentry AS entry
        ON programme_id = %(programme_id)s AND door = %(door)s AND instance = %(instance)s AND reference = %(reference)s
"""
REMEMBER = """
    INSERT INTO offers_doorentry
           (programme_id, door, instance, reference, member_id, assignment_id, actor_id, answer, context, created_at)
    VALUES (%(programme_id)s, %(door)s, %(instance)s, %(reference)s, %(member_id)s, %(assignment_id)s, %(actor_id)s,
            %(answer)s, %(context)s, %(now)s)
"""


# The constraint that lets each reference be answered once.
ONCE = "a_reference_is_answered_once_per_door"


class ReferenceReused(Conflict):
    """The reference was answered for another grant: that answer would be wrong for this one."""

    code = "reference_reused"


@dataclass(frozen=True)
class Answer:
    """A door's answer: the outcome, and whether it was given before under the same reference."""

    outcome: Outcome
    is_replayed: bool


@dataclass(frozen=True)
class Preview:
    """What a grant would do, without doing it."""

    code: str
    reasons: list[Reason]
    effective: Mapping[str, Any]
    starts_at: datetime | None
    ends_at: datetime | None
    acceptance_required: bool
    exposure_minor: int
    codes_left: int | None


def grant(
    *,
    programme: Programme,
    door: Source,
    instance: str,
    grant: Grant,
    actor: User | None,
    now: datetime | None = None,
    context: Mapping[str, Any] | None = None,
) -> Answer:
    """Assign one offer through a door and remember the answer under (door, instance, `grant.reference`).

    Without `now` the door reads the clock, together with what it remembers. `context` is what the door knows besides
    (reason, ticket, note). Raises OffersModuleOff, and ReferenceReused where the reference was answered for another
    grant; every other refusal is the outcome. Deadlocks are retried here. (S0-11, DESIGN 4)
    """
    module.require(programme=programme)
    reference = grant.reference
    if not reference:
        raise ValueError("A grant through a door carries a reference.")

    asked = digest(grant)
    key = {"programme_id": programme.pk, "door": int(door), "instance": instance, "reference": reference}

    def work() -> Answer:
        [(at, member_id, answer)] = prepared_rows(BEFORE, key)
        at = now or at
        if answer is not None:
            return _replayed(member_id, answer, reference=reference, asked=asked)
        outcome = assignment.assign(programme=programme, grants=[grant], source=door, actor=actor, now=at)[0]
        if outcome.member_id is None:
            # Answered again it will say whose it was, so it says that now.
            known = members_of(programme=programme, grants=[grant])
            outcome = replace(outcome, member_id=known.get((grant.member_id, grant.member_external_id)))
        prepared_rows(
            REMEMBER,
            key
            | {
                "member_id": outcome.member_id,
                "assignment_id": outcome.assignment_id,
                "actor_id": actor.pk if actor else None,
                "answer": _json(outcome.as_stored() | {"template": grant.template_id, "asked": asked}),
                "context": _json(context or {}),
                "now": at,
            },
        )
        return Answer(outcome, is_replayed=False)

    try:
        return in_transaction(work)
    except IntegrityError as error:
        if not is_violation(error, ONCE):
            raise
        # The same request twice at once, and the other one was first: ours is undone, and its answer stands.
        return in_transaction(work)


def members_of(*, programme: Programme, grants: Sequence[Grant]) -> dict[tuple[int | None, str | None], int]:
    """Return the members whom grants name, by their names: what is refused for its values is hers to see as well."""
    asked = [(grant.member_id, grant.member_external_id) for grant in grants]
    named = Q(pk__in=[pk for pk, _key in asked if pk]) | Q(external_id__in=[key for pk, key in asked if key and not pk])
    found = Member.objects.filter(named, programme=programme).values_list("pk", "external_id")
    by_id, by_key = {pk: pk for pk, _key in found}, {key: pk for pk, key in found}
    known = {(pk, key): by_id.get(pk) if pk else by_key.get(key or "") for pk, key in asked}
    return {names: pk for names, pk in known.items() if pk is not None}


def _replayed(member_id: int | None, answer: str, *, reference: str, asked: str) -> Answer:
    remembered = orjson.loads(answer)
    if remembered.get("asked", asked) != asked:
        raise ReferenceReused(
            _("The reference “%(reference)s” stands for another grant already. Send this one under a new one.")
            % {"reference": reference}
        )
    return Answer(read(member_id, remembered), is_replayed=True)


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value).decode()


def digest(grant: Grant) -> str:
    """Return what tells this grant from another one; how its values are ordered does not."""
    asked = [
        grant.member_id,
        grant.member_external_id,
        grant.template_id,
        grant.terms,
        grant.campaign_id,
        grant.rank,
        grant.fields or {},
        grant.replaces_id,
    ]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read(
    member_id: int | None, answer: Mapping[str, Any], known: dict[int, reason.Conditions] | None = None
) -> Outcome:
    """Return the outcome that a door kept; those read with the same `known` look up once what offers ask for."""
    reasons = [reason.read(stored, known) for stored in answer.get("reasons", [])]
    found = answer.get("assignment")
    return Outcome(answer["outcome"], UUID(found) if found else None, member_id, reasons)


def preview(*, programme: Programme, grant: Grant, now: datetime) -> Preview:
    """Tell what `grant` would answer now, and with which terms and worst-case cost; writes nothing."""
    module.require(programme=programme)
    template = template_loading.load(programme=programme, ids={grant.template_id}).templates.get(grant.template_id)
    if template is None:
        return Preview("offer_closed", [Reason("unknown_template")], {}, None, None, False, 0, None)
    prepared = terms.prepare(template=template, given=grant.terms, now=now)
    code, reasons, left = prepared.refusal or "assigned", list(prepared.reasons), None
    offer = template.config_offer
    if offer.require_vouchers:
        left = voucher_selector.codes_left(bank=offer.voucher_bank, now=now)
    if not prepared.refusal:
        key = {"pk": grant.member_id} if grant.member_id else {"external_id": grant.member_external_id}
        member = Member.objects.filter(programme=programme, **key).first()
        held_under = terms.holding_key(policy=offer.repeat_policy, campaign_id=grant.campaign_id)
        if member is None:
            code = "unknown_member"
        elif member.status != Member.Status.ACTIVE:
            code = "member_inactive"
        elif held_under is not None and _is_held(member, offer.pk, held_under, now):
            code = "already_held"
        elif refused := _refusal(programme, offer, member, grant.campaign_id, prepared.exposure_minor, now):
            code, reasons = refused[0], [refused[1]]
        elif left == 0:
            code = "out_of_codes"
    return Preview(
        code,
        reasons,
        prepared.effective,
        prepared.starts_at,
        prepared.ends_at,
        prepared.acceptance_required,
        prepared.exposure_minor,
        left,
    )


def _refusal(
    programme: Programme,
    offer: ConfigOffer,
    member: Member,
    campaign_id: int | None,
    exposure_minor: int,
    now: datetime,
) -> tuple[str, Reason] | None:
    """Return why who may have it, or how many, stands against it."""
    refused = eligibility.preview(
        programme=programme, offer=offer, member_id=member.pk, campaign_id=campaign_id, now=now
    )
    if refused:
        return refused
    full = limit.refusal_of_one(
        programme=programme, offer_id=offer.pk, campaign_id=campaign_id, exposure_minor=exposure_minor, now=now
    )
    return (full.code, full.reason) if full else None


def _is_held(member: Member, offer_id: int, held_under: int, now: datetime) -> bool:
    held = Assignment.objects.filter(member=member, config_offer_id=offer_id, holding_key=held_under)
    # "One open at a time" is freed by what is over when the next one is assigned.
    return (held.visible(now) if held_under == -1 else held).exists()
