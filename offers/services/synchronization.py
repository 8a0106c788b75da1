"""The till confirms assignments: waiting becomes ready, once each, with the code it made where it made one (S4-06..15).

Case 2 (no bank, waits): the till may bring a code of its own. Case 4 (bank, waits): it only acknowledges. Cases 1 and 3
do not wait: confirming them again changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from loyalty.database import execute, in_transaction, rows
from loyalty.models import Programme
from offers.models import VoucherCode
from offers.services import module
from offers.services.verb import By

# One request's and one outbox row's most.
MOST = 1_000
LONGEST = 100


@dataclass(frozen=True)
class Confirmation:
    """The till's word on one assignment; `code` is one that it made."""

    assignment_id: UUID
    code: str | None = None


@dataclass(frozen=True)
class Confirmed:
    """What came of one confirmation: `synchronized`, `already_synchronized`, or why not.

    Refusals: `not_found`, `named_twice` (in one set, with another code), `revoked`, `closed`, `used_up`,
    `code_not_wanted` (its code comes from the offer's bank, or it has another one), `invalid_code`, `code_taken`.
    """

    assignment_id: UUID
    code: str

    @property
    def is_synchronized(self) -> bool:
        return self.code in {"synchronized", "already_synchronized"}


def synchronize(
    *, programme: Programme, confirmations: Sequence[Confirmation], by: By, now: datetime
) -> list[Confirmed]:
    """Confirm each assignment and answer each in its order; a refused one never fails its neighbours.

    The transition happens exactly once, with one event, and is told in one outbox row a set and offer (S4-37); again
    is the same answer. A till's code is unique within the offer (D-12). The number of statements does not depend on
    the number of confirmations. Raises ValueError for more than `MOST`, and OffersModuleOff.

    Lock order: the assignments in the order of their ids, then the codes in theirs.
    """
    module.require(programme=programme)
    if len(confirmations) > MOST:
        raise ValueError(f"At most {MOST} confirmations at once.")
    return in_transaction(lambda: _synchronize(programme, confirmations, by, now))


LOCK = """
    SELECT held.id, held.config_offer_id, held.synchronized_at, held.revoked_at, held.closed_at, held.used_up_at,
           offer.require_vouchers, code.code
      FROM offers_assignment AS held
      JOIN loyalty_member AS member ON member.id = held.member_id AND member.programme_id = %(programme_id)s
      JOIN offers_configoffer AS offer ON offer.id = held.config_offer_id
      LEFT JOIN offers_vouchercode AS code ON code.id = held.voucher_code_id
     WHERE held.id = ANY(%(ids)s::uuid[])
     ORDER BY held.id
       FOR UPDATE OF held
"""

# A bank's code row is its uniqueness: a till's code needs the offer's bank, which an offer without vouchers has not.
BANKS = """
    INSERT INTO offers_voucherbank (programme_id, config_offer_id, low_stock_at, may_generate, created_at, updated_at)
    SELECT %(programme_id)s, offer_id, 0, false, %(now)s, %(now)s FROM unnest(%(offers)s::bigint[]) AS given (offer_id)
    ON CONFLICT (config_offer_id) DO NOTHING
"""
CODES = """
    INSERT INTO offers_vouchercode (bank_id, segment_id, position, code, origin)
    SELECT bank.id, NULL, NULL, given.code, %(origin)s
      FROM unnest(%(offers)s::bigint[], %(codes)s::text[]) AS given (offer_id, code)
      JOIN offers_voucherbank AS bank ON bank.config_offer_id = given.offer_id
     ORDER BY given.code COLLATE "C", bank.id
    ON CONFLICT (code, bank_id) DO NOTHING
    RETURNING id, code, (SELECT config_offer_id FROM offers_voucherbank AS bank WHERE bank.id = bank_id) AS offer_id
"""
CONFIRM = """
    WITH given AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(code_ids)s::bigint[], %(data)s::jsonb[]) AS given (id, code_id, data)
    ), changed AS (
        UPDATE offers_assignment AS held
           SET synchronized_at = %(now)s, updated_at = %(now)s,
               voucher_code_id = coalesce(given.code_id, held.voucher_code_id)
          FROM given
         WHERE held.id = given.id AND held.synchronized_at IS NULL
        RETURNING held.id, held.config_offer_id, given.data
    ), noted AS (
        INSERT INTO offers_assignmentevent (assignment_id, at, verb, source, actor_id, api_client_id, data)
        SELECT id, %(now)s, 'synchronized', %(source)s::smallint, %(actor_id)s::bigint, %(api_client_id)s::varchar, data
          FROM changed ORDER BY id
    )
    INSERT INTO loyalty_outboxevent (programme_id, type, config_offer_id, assignment_ids, is_synchronized, size, data)
    SELECT %(programme_id)s, 'assignment.synchronized', config_offer_id, array_agg(id ORDER BY id), true, count(*), '{}'
      FROM changed GROUP BY config_offer_id ORDER BY config_offer_id
"""


def _synchronize(programme: Programme, confirmations: Sequence[Confirmation], by: By, now: datetime) -> list[Confirmed]:
    ids = sorted({each.assignment_id for each in confirmations})
    held = {row["id"]: row for row in rows(LOCK, {"programme_id": programme.pk, "ids": ids})}
    first: dict[UUID, Confirmation] = {}
    for each in confirmations:
        first.setdefault(each.assignment_id, each)
    answers = {pk: _look(held.get(pk), each) for pk, each in first.items()}
    code_ids = _make_codes(programme, held, first, answers, now)
    ready = [pk for pk in ids if answers[pk] == "synchronized"]
    if ready:
        execute(
            CONFIRM,
            {
                "ids": ready,
                "code_ids": [code_ids.get(pk) for pk in ready],
                "data": [_data(first[pk], code_ids.get(pk), now) for pk in ready],
                "programme_id": programme.pk,
                "now": now,
            }
            | by.parameters(),
        )
    return [Confirmed(each.assignment_id, _answer(each, first, answers)) for each in confirmations]


def _look(held: dict[str, Any] | None, given: Confirmation) -> str:
    """Answer one confirmation as far as its row and its code's spelling tell."""
    if held is None:
        return "not_found"
    if held["revoked_at"] or held["closed_at"]:
        return "revoked" if held["revoked_at"] else "closed"
    if given.code is not None and given.code != held["code"]:
        if not is_acceptable(given.code):
            return "invalid_code"
        if held["require_vouchers"] or held["code"] is not None or held["synchronized_at"]:
            return "code_not_wanted"
    if held["synchronized_at"]:
        return "already_synchronized"
    return "used_up" if held["used_up_at"] else "synchronized"


def is_acceptable(code: str) -> bool:
    """Say whether a till's code can be a code: 1 to 100 visible characters, without blanks around it."""
    return 0 < len(code) <= LONGEST and code.isprintable() and code == code.strip()


def _make_codes(
    programme: Programme,
    held: dict[UUID, dict[str, Any]],
    first: dict[UUID, Confirmation],
    answers: dict[UUID, str],
    now: datetime,
) -> dict[UUID, int]:
    """Write the codes that tills made, and answer `code_taken` for those that the offer has already."""
    wanted: dict[tuple[int, str], UUID] = {}
    for pk, given in first.items():
        if answers[pk] == "synchronized" and given.code is not None and given.code != held[pk]["code"]:
            owner = wanted.setdefault((held[pk]["config_offer_id"], given.code), pk)
            if owner != pk:
                answers[pk] = "code_taken"
    if not wanted:
        return {}
    offers, codes = [list(column) for column in zip(*wanted, strict=True)]
    parameters = {"programme_id": programme.pk, "now": now, "origin": int(VoucherCode.Origin.TILL)}
    execute(BANKS, parameters | {"offers": sorted(set(offers))})
    made = {
        (row["offer_id"], row["code"]): row["id"]
        for row in rows(CODES, parameters | {"offers": offers, "codes": codes})
    }
    for key, pk in wanted.items():
        if key not in made:
            answers[pk] = "code_taken"
    return {wanted[key]: code_id for key, code_id in made.items()}


def _data(given: Confirmation, code_id: int | None, now: datetime) -> str:
    data: dict[str, Any] = {"synchronized_at": [None, now.isoformat()]}
    if code_id is not None:
        data["voucher_code"] = [None, {"id": code_id, "code": given.code, "origin": "till"}]
    return orjson.dumps(data).decode()


def _answer(given: Confirmation, first: dict[UUID, Confirmation], answers: dict[UUID, str]) -> str:
    speaker, code = first[given.assignment_id], answers[given.assignment_id]
    if given is speaker or code not in {"synchronized", "already_synchronized"}:
        return code
    return "already_synchronized" if given.code in (None, speaker.code) else "named_twice"
