"""Who is enlisted in a promotion, and with which list: assigned by the set, withdrawn, given back (S2-01, S2-09).

A fixed number of statements, however many members: a hundred thousand are one set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from loyalty import patience
from loyalty.database import execute, in_transaction, rows
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import Programme
from loyalty.storable import UNSTORABLE
from offers.models import PersonalizedPromotion, PromotionEnrolment, PromotionEvent, PromotionProductList
from offers.services import module, promotion, promotion_lock, verb
from offers.services.problem import problem
from offers.services.revocation import UNDO_SECONDS
from offers.services.verb import By

MOST_MEMBERS = 100_000
# Of the ids that are wrong, and of the members whose choice is locked, so many are named; all are counted.
MOST_NAMED = 1000
LONGEST_ID = 200


class InvalidEnrolments(InvalidInput):
    """Some ids are no members who may be enlisted; nothing was done."""

    code = "invalid_members"


class NotRestored(Conflict):
    """She was enlisted anew meanwhile, or chose more than the promotion now lets; or it is too late, or another's."""

    code = "not_restored"


@dataclass(frozen=True)
class Assigned:
    """What became of a set: members by outcome, the external ids of those whose locked choice keeps another list."""

    assigned: int = 0
    replaced: int = 0
    already_assigned: int = 0
    locked: int = 0
    locked_members: list[str] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True)
class Withdrawn:
    """How many were withdrawn now, and how many before."""

    withdrawn: int
    already_withdrawn: int


@patience.patient()
def assign(
    *,
    product_list: PromotionProductList,
    members: Sequence[str],
    by: By,
    now: datetime,
    leaves_out_unknown: bool = False,
) -> Assigned:
    """Enlist the members, by external id, in the list's promotion, each with this list (S2-09).

    The same again changes nothing; another list of the promotion is replaced with what was chosen of it, unless that
    choice is locked: then she keeps both, and is named. Raises InvalidEnrolments with every id that is unknown, empty,
    too long or not an active member's, unless they are left out; PromotionIsArchived, OffersModuleOff.
    """
    owner = product_list.promotion
    module.require(programme=owner.programme)
    ids = _ids(members)
    return in_transaction(lambda: _assign(owner, product_list, ids, by, now, leaves_out_unknown))


@patience.patient()
def withdraw(
    *,
    promotion: PersonalizedPromotion,
    members: Sequence[str],
    by: By,
    now: datetime,
    product_list: PromotionProductList | None = None,
) -> Withdrawn:
    """Take the promotion from the members, whatever they chose; from holders of one list, where it is named.

    The same again changes nothing. Raises InvalidEnrolments with every id that was never enlisted here.
    """
    module.require(programme=promotion.programme)
    ids = _ids(members)
    return in_transaction(lambda: _withdraw(promotion, product_list, ids, by, now))


def restore(*, enrolment: PromotionEnrolment, withdrawn_at: datetime, by: By, now: datetime) -> None:
    """Undo one's own withdrawal of that moment: she has her list and her choice again.

    Raises NotRestored after `UNDO_SECONDS`, for a withdrawal that somebody else made, where she was enlisted anew, or
    chose more than a maximum that was lowered meanwhile.
    """
    owner = enrolment.promotion
    module.require(programme=owner.programme)
    in_transaction(lambda: _restore(owner, enrolment, withdrawn_at, by, now))


def _ids(members: Any) -> list[str]:
    """Return the ids without repetition. Raises InvalidEnrolments for what is no list of texts, or too long."""
    if not isinstance(members, list | tuple) or not all(isinstance(one, str) for one in members):
        _refuse("members", "not_a_list", _("Give the members' external ids as a list of texts."))
    if not members:
        _refuse("members", "required", _("Name at least one member."))
    if len(members) > MOST_MEMBERS:
        _refuse("members", "too_many", _("Send at most %(most)d members at once.") % {"most": MOST_MEMBERS})
    return list(dict.fromkeys(one.strip() for one in members))


def _refuse(field_name: str, code: str, message: str) -> None:
    raise InvalidEnrolments(message, problems=[problem(field_name, code, message)])


def _assign(
    given: PersonalizedPromotion,
    product_list: PromotionProductList,
    ids: list[str],
    by: By,
    now: datetime,
    leaves_out_unknown: bool,
) -> Assigned:
    owner = promotion_lock.share(given)
    promotion.refuse_archived(owner)
    promotion_lock.share_list(product_list.pk)
    # One set after the other: who is not enlisted yet has no row to lock.
    execute("SELECT pg_advisory_xact_lock(hashtextextended('promotion', %s))", [owner.pk])
    wrong, count = _wrong(owner.programme, ids)
    if wrong and not leaves_out_unknown:
        raise InvalidEnrolments(
            _("Nobody was enlisted: %(n)d of %(of)d ids cannot be. %(first)s")
            % {"n": count, "of": len(ids), "first": wrong[0]["message"]},
            problems=wrong,
            more=max(0, count - len(wrong)),
        )
    parameters = _parameters(owner, ids, by, now) | {"list": product_list.pk, "list_id": product_list.external_id}
    execute(HOLD, parameters)
    counts = {row["outcome"]: row["n"] for row in rows(ASSIGN, parameters)}
    locked = rows(LOCKED, parameters | {"most": MOST_NAMED}) if counts.get("locked") else []
    done = Assigned(
        assigned=counts.get("new", 0) + counts.get("again", 0),
        replaced=counts.get("replaced", 0),
        already_assigned=counts.get("same", 0),
        locked=counts.get("locked", 0),
        locked_members=[row["external_id"] for row in locked],
        left_out=count,
    )
    if done.assigned or done.replaced:
        data = {"list": product_list.pk, "assigned": done.assigned, "replaced": done.replaced}
        verb.audited("promotion.assigned", owner, programme=owner.programme, by=by, data=data)
    return done


def _parameters(owner: PersonalizedPromotion, ids: list[str], by: By, now: datetime) -> dict[str, Any]:
    # What the database cannot be asked for is nobody's id, and is named by `_wrong`.
    known = [one for one in ids if not UNSTORABLE.search(one)]
    whose = {"promotion": owner.pk, "programme": owner.programme_id, "ids": known, "now": now}
    return whose | by.parameters()


def _wrong(programme: Programme, ids: list[str]) -> tuple[list[dict[str, Any]], int]:
    """Return a problem for each id that is no active member's, up to MOST_NAMED, and how many there are."""
    strange = [one for one in ids if UNSTORABLE.search(one)]
    askable = [one for one in ids if not UNSTORABLE.search(one)]
    found = rows(
        """
        SELECT given.id, member.status, count(*) OVER () AS n
          FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS given (id, place)
          LEFT JOIN loyalty_member AS member ON member.programme_id = %(programme)s AND member.external_id = given.id
         WHERE member.status IS DISTINCT FROM 'active'
         ORDER BY given.place LIMIT %(most)s
        """,
        {"ids": askable, "programme": programme.pk, "most": MOST_NAMED},
    )
    problems = [_unknown(UNSTORABLE.sub("\ufffd", one)) for one in strange]
    for row in found:
        if row["status"] == "inactive":
            message = _("“%(id)s” is not an active member.") % {"id": row["id"]}
            problems.append(problem("members", "member_inactive", message))
        else:
            problems.append(_unknown(row["id"]))
    return problems[:MOST_NAMED], len(strange) + (found[0]["n"] if found else 0)


def _unknown(external_id: str) -> dict[str, Any]:
    if not external_id:
        return problem("members", "unknown_member", _("An id is empty. Take it out."))
    return problem("members", "unknown_member", _("Nobody has the id “%(id)s”.") % {"id": external_id[:LONGEST_ID]})


# The rows that change, in the order in which everybody locks them; a statement of its own, so that the next one sees
# what was chosen while this waited.
HOLD = """
    SELECT FROM offers_promotionenrolment
     WHERE promotion_id = %(promotion)s
       AND member_id IN (SELECT id FROM loyalty_member
                          WHERE programme_id = %(programme)s AND external_id = ANY(%(ids)s::text[]))
     ORDER BY id FOR UPDATE
"""
JUDGED = """
    SELECT member.id AS member_id, member.external_id, held.id, former.external_id AS former,
           CASE WHEN held.id IS NULL THEN 'new'
                WHEN held.withdrawn_at IS NOT NULL THEN 'again'
                WHEN held.product_list_id = %(list)s THEN 'same'
                WHEN held.locked_at IS NOT NULL THEN 'locked'
                ELSE 'replaced' END AS outcome
      FROM loyalty_member AS member
      LEFT JOIN offers_promotionenrolment AS held
        ON held.promotion_id = %(promotion)s AND held.member_id = member.id
      LEFT JOIN offers_promotionproductlist AS former ON former.id = held.product_list_id
     WHERE member.programme_id = %(programme)s AND member.external_id = ANY(%(ids)s::text[])
       AND member.status = 'active'
"""
ASSIGN = f"""
    WITH judged AS MATERIALIZED ({JUDGED}), emptied AS (
        DELETE FROM offers_promotionchoice
         WHERE enrolment_id IN (SELECT id FROM judged WHERE outcome IN ('again', 'replaced'))
        RETURNING enrolment_id, item_id
    ), before AS (
        SELECT emptied.enrolment_id, jsonb_agg(product.external_id ORDER BY item.position) AS products
          FROM emptied
          JOIN offers_promotionlistitem AS item ON item.id = emptied.item_id
          JOIN loyalty_product AS product ON product.id = item.product_id
         GROUP BY emptied.enrolment_id
    ), changed AS (
        UPDATE offers_promotionenrolment AS enrolment
           SET product_list_id = %(list)s, source = %(source)s, actor_id = %(actor_id)s,
               api_client_id = %(api_client_id)s, assigned_at = %(now)s, chosen_at = NULL, locked_at = NULL,
               withdrawn_at = NULL, revision = enrolment.revision + 1, updated_at = %(now)s
          FROM judged WHERE enrolment.id = judged.id AND judged.outcome IN ('again', 'replaced')
        RETURNING enrolment.id, judged.outcome, judged.former
    ), made AS (
        INSERT INTO offers_promotionenrolment
               (promotion_id, product_list_id, member_id, source, actor_id, api_client_id, assigned_at, updated_at)
        SELECT %(promotion)s, %(list)s, member_id, %(source)s, %(actor_id)s, %(api_client_id)s, %(now)s, %(now)s
          FROM judged WHERE outcome = 'new' ORDER BY member_id
        RETURNING id
    ), told AS (
        INSERT INTO offers_promotionevent (enrolment_id, at, verb, source, actor_id, api_client_id, data)
        SELECT id, %(now)s, verb, %(source)s, %(actor_id)s, %(api_client_id)s, data
          FROM (SELECT id, 'assigned' AS verb, jsonb_build_object('list', %(list_id)s::text) AS data FROM made
                UNION ALL
                SELECT changed.id, CASE changed.outcome WHEN 'again' THEN 'assigned' ELSE 'replaced' END,
                       jsonb_build_object('list', %(list_id)s::text) || CASE WHEN changed.outcome = 'again' THEN '{{}}'
                           ELSE jsonb_strip_nulls(jsonb_build_object(
                               'former', changed.former, 'products', before.products)) END
                  FROM changed LEFT JOIN before ON before.enrolment_id = changed.id) AS happened
         ORDER BY id
    )
    SELECT outcome, count(*) AS n FROM judged GROUP BY outcome
"""
LOCKED = f"""
    SELECT external_id FROM ({JUDGED}) AS judged
     WHERE outcome = 'locked' ORDER BY external_id LIMIT %(most)s
"""


def _withdraw(
    given: PersonalizedPromotion, product_list: PromotionProductList | None, ids: list[str], by: By, now: datetime
) -> Withdrawn:
    owner = promotion_lock.share(given)
    parameters = _parameters(owner, ids, by, now) | {"list": product_list.pk if product_list else None}
    execute(HOLD, parameters)
    found = {row["external_id"]: row["withdrawn_at"] for row in rows(ENLISTED, parameters)}
    if wrong := [one for one in ids if one not in found]:
        problems = [
            problem("members", "not_enlisted", _("“%(id)s” is not enlisted here.") % {"id": one[:LONGEST_ID]})
            for one in (UNSTORABLE.sub("\ufffd", one) for one in wrong[:MOST_NAMED])
        ]
        raise InvalidEnrolments(
            _("Nobody was withdrawn: %(first)s") % {"first": problems[0]["message"]},
            problems=problems,
            more=max(0, len(wrong) - MOST_NAMED),
        )
    count = execute(WITHDRAW, parameters)
    if count:
        verb.audited("promotion.withdrawn", owner, programme=owner.programme, by=by, data={"withdrawn": count})
    return Withdrawn(withdrawn=count, already_withdrawn=len(found) - count)


ENLISTED = """
    SELECT member.external_id, held.withdrawn_at
      FROM loyalty_member AS member
      JOIN offers_promotionenrolment AS held ON held.promotion_id = %(promotion)s AND held.member_id = member.id
     WHERE member.programme_id = %(programme)s AND member.external_id = ANY(%(ids)s::text[])
       AND (%(list)s::bigint IS NULL OR held.product_list_id = %(list)s)
"""
WITHDRAW = """
    WITH ended AS (
        UPDATE offers_promotionenrolment AS held SET withdrawn_at = %(now)s, updated_at = %(now)s
          FROM loyalty_member AS member
         WHERE held.promotion_id = %(promotion)s AND held.member_id = member.id AND held.withdrawn_at IS NULL
           AND member.programme_id = %(programme)s AND member.external_id = ANY(%(ids)s::text[])
           AND (%(list)s::bigint IS NULL OR held.product_list_id = %(list)s)
        RETURNING held.id
    )
    INSERT INTO offers_promotionevent (enrolment_id, at, verb, source, actor_id, api_client_id, data)
    SELECT id, %(now)s, 'withdrawn', %(source)s, %(actor_id)s, %(api_client_id)s, '{}' FROM ended ORDER BY id
"""


def _restore(
    given: PersonalizedPromotion, enrolment: PromotionEnrolment, withdrawn_at: datetime, by: By, now: datetime
) -> None:
    owner = promotion_lock.share(given)
    promotion_lock.share_list(enrolment.product_list_id)
    held = PromotionEnrolment.objects.select_for_update().get(pk=enrolment.pk)
    if held.withdrawn_at != withdrawn_at:
        raise NotRestored(_("This changed meanwhile. Look at the promotion as it is now."))
    if now - withdrawn_at > timedelta(seconds=UNDO_SECONDS):
        raise NotRestored(_("It is too late to undo this. Assign the promotion to her anew."))
    if not _is_own(held, withdrawn_at, by):
        raise NotRestored(_("Somebody else withdrew it. Assign the promotion to her anew."))
    maximum = owner.maximum_distinct_products
    if maximum is not None and held.choices.count() > maximum:
        raise NotRestored(
            _("She chose more products than the promotion lets now. Assign it to her anew, and let her choose again.")
        )
    held.withdrawn_at = None
    held.locked_at = held.locked_at or now if owner.lock_after_first_apply and held.chosen_at else None
    held.updated_at = now
    held.save(update_fields=["withdrawn_at", "locked_at", "updated_at"])
    record(held, PromotionEvent.Verb.RESTORED, by=by, now=now, data={})


def _is_own(held: PromotionEnrolment, withdrawn_at: datetime, by: By) -> bool:
    last = PromotionEvent.objects.filter(enrolment=held, verb=PromotionEvent.Verb.WITHDRAWN).order_by("-id").first()
    return last is not None and (last.at, last.actor, last.api_client) == (withdrawn_at, by.actor, by.api_client)


def record(
    enrolment: PromotionEnrolment, verb: PromotionEvent.Verb, *, by: By, now: datetime, data: Mapping[str, Any]
) -> None:
    """Write one event of one enrolment."""
    PromotionEvent.objects.create(
        enrolment=enrolment,
        at=now,
        verb=verb,
        source=by.source,
        actor=by.actor,
        api_client=by.api_client,
        data=dict(data),
    )
