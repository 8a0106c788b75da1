"""Sets of grants, from an outside bulk producer or the desk, each with the door's memory of its reference (S0-36).

As `door`, for many at once: one look at what was answered before, one `assign` for the rest, one insert of what was
answered now. The number of statements does not depend on the number of grants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from django.db import IntegrityError

from loyalty.database import execute, in_transaction, is_violation, rows
from loyalty.models import Programme, User
from offers.models import Source
from offers.services import assignment, module
from offers.services import door as doors
from offers.services.assignment import Grant, Outcome
from offers.services.door import Answer
from offers.services.reason import Conditions

# More in one request would hold the banks and limits of its offers for longer than others like to wait.
MOST = 1_000
# How often a set that meets the same references in another one is tried: each time it finds them answered.
ATTEMPTS = 5
BEFORE = """
    SELECT clock_timestamp() AS now, entry.reference, entry.member_id, entry.answer::text AS answer
      FROM (SELECT) AS door
      LEFT JOIN offers_doorentry AS entry
        ON programme_id = %(programme_id)s AND door = %(door)s AND instance = %(instance)s
       AND reference = ANY(%(references)s)
"""
# In the order of references, so that two sets with the same ones in another order do not wait for each other.
REMEMBER = """
    INSERT INTO offers_doorentry
           (programme_id, door, instance, reference, member_id, assignment_id, actor_id, answer, context, created_at)
    SELECT %(programme_id)s, %(door)s, %(instance)s, reference, member_id, assignment_id, %(actor_id)s::bigint,
           answer::jsonb, %(context)s::jsonb, %(now)s
      FROM unnest(%(references)s::text[], %(members)s::bigint[], %(assignments)s::uuid[], %(answers)s::text[])
           AS answered (reference, member_id, assignment_id, answer)
     ORDER BY reference
"""


def grant(
    *,
    programme: Programme,
    instance: str,
    grants: Sequence[Grant],
    context: Mapping[str, Any] | None = None,
    door: Source = Source.BULK_PRODUCER,
    actor: User | None = None,
) -> list[Answer]:
    """Assign a set through a door and answer each grant, in the order given; a refused one fails no other.

    Each grant carries a reference of its own, kept for good under (door, `instance`, reference): the same grant again
    is answered as before, refusals included, and another one under the same reference is `reference_reused`. Raises
    OffersModuleOff. Deadlocks are retried here. (S0-11, S0-36, B-05, DESIGN 4)
    """
    module.require(programme=programme)
    references = [each.reference for each in grants]
    if not all(references) or len(set(references)) < len(references):
        raise ValueError("Each grant of a set carries a reference of its own.")
    key = {"programme_id": programme.pk, "door": int(door), "instance": instance}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return in_transaction(lambda: _answer(programme, key, grants, context or {}, door, actor))
        except IntegrityError as error:
            if attempt == ATTEMPTS or not is_violation(error, doors.ONCE):
                raise
            # Another set had some of these references, and was first: ours is undone, and its answers stand.
    raise AssertionError("unreachable")


def _answer(
    programme: Programme,
    key: Mapping[str, Any],
    grants: Sequence[Grant],
    context: Mapping[str, Any],
    door: Source,
    actor: User | None,
) -> list[Answer]:
    found = rows(BEFORE, {**key, "references": [each.reference for each in grants]})
    now = found[0]["now"]
    before = {row["reference"]: row for row in found if row["reference"] is not None}
    new = [each for each in grants if each.reference not in before]
    outcomes = assignment.assign(programme=programme, grants=new, source=door, actor=actor, now=now)
    if new:
        nameless = [each for each, outcome in zip(new, outcomes, strict=True) if outcome.member_id is None]
        named = doors.members_of(programme=programme, grants=nameless) if nameless else {}
        outcomes = [
            replace(outcome, member_id=outcome.member_id or named.get((each.member_id, each.member_external_id)))
            for each, outcome in zip(new, outcomes, strict=True)
        ]
        told = [
            outcome.as_stored() | {"template": each.template_id, "asked": doors.digest(each)}
            for each, outcome in zip(new, outcomes, strict=True)
        ]
        execute(
            REMEMBER,
            {
                **key,
                "references": [each.reference for each in new],
                "members": [outcome.member_id for outcome in outcomes],
                "assignments": [outcome.assignment_id for outcome in outcomes],
                "actor_id": actor.pk if actor else None,
                "answers": [orjson.dumps(one).decode() for one in told],
                "context": orjson.dumps(dict(context)).decode(),
                "now": now,
            },
        )
    given = {each.reference: outcome for each, outcome in zip(new, outcomes, strict=True)}
    known: dict[int, Conditions] = {}
    return [
        Answer(given[each.reference], is_replayed=False) if each.reference in given else _replayed(each, before, known)
        for each in grants
    ]


def _replayed(grant: Grant, before: Mapping[str | None, Mapping[str, Any]], known: dict[int, Conditions]) -> Answer:
    row = before[grant.reference]
    remembered = orjson.loads(row["answer"])
    if remembered.get("asked") != doors.digest(grant):
        return Answer(Outcome("reference_reused"), is_replayed=False)
    return Answer(doors.read(row["member_id"], remembered, known), is_replayed=True)
