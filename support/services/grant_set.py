"""An agent gives many members the same at once, within her allowance as a whole (B-05)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from loyalty.database import in_transaction
from loyalty.models import Programme, User
from offers.models import OfferTemplate, Source
from offers.services import bulk_door, grant_ledger
from offers.services.assignment import Grant
from offers.services.door import Answer
from support.selectors import allowance as selectors
from support.services import allowance
from support.services.grant import Beyond, Why


def grant(
    *,
    programme: Programme,
    member_ids: Sequence[int],
    template: OfferTemplate,
    terms: Mapping[str, Any],
    batch: UUID,
    why: Why,
    actor: User,
    now: datetime,
    approved_by: User | None = None,
) -> list[Answer]:
    """Give each of the members the template's offer and answer each, in their order; all or nothing of the allowance.

    The set is one form: the same `batch` again answers as before and counts nothing. Refusals of single members are
    their answers. The number of statements does not depend on the number of members. Raises Beyond, with nothing
    given, where the set as a whole goes beyond a limit, and nobody (`approved_by`) looked at that; OffersModuleOff.

    Lock order: the agent, the members, then as any set of grants.
    """
    wanted = list(dict.fromkeys(member_ids))

    def work() -> list[Answer]:
        bounds = selectors.bounds(programme=programme, agent=actor)
        allowance.lock(programme=programme, agent=actor, member_ids=wanted, bounds=bounds)
        answers = bulk_door.grant(
            programme=programme,
            instance=f"desk set {batch}",
            grants=[
                Grant(member_id=member_id, template_id=template.pk, terms=terms, reference=str(member_id))
                for member_id in wanted
            ],
            context=why.as_dict(),
            door=Source.SUPPORT,
            actor=actor,
        )
        given = [answer.outcome for answer in answers if not answer.is_replayed and answer.outcome.assignment_id]
        ids = [outcome.assignment_id for outcome in given if outcome.assignment_id]
        grant_ledger.record(
            programme=programme,
            assignment_ids=ids,
            agent=actor,
            approved_by=approved_by,
            words=why,
            batch=batch,
            now=now,
        )
        if approved_by is None and ids:
            excesses = allowance.exceeded(
                programme=programme,
                agent=actor,
                member_ids=[outcome.member_id for outcome in given if outcome.member_id],
                assignment_ids=ids,
                bounds=bounds,
                now=now,
            )
            if excesses:
                raise Beyond(excesses, selectors.dearest(assignment_ids=ids))
        return answers

    return in_transaction(work)
