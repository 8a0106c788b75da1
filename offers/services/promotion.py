"""Personalized promotions: made, edited, taken out of use and brought back (S2-04..08)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import patience
from loyalty.database import execute, in_transaction
from loyalty.errors import Conflict, InvalidInput
from loyalty.models import Programme
from offers.models import (
    PersonalizedPromotion,
    PromotionEnrolment,
    PromotionListItem,
    PromotionProductList,
)
from offers.services import module, promotion_lock, verb
from offers.services.problem import of_model, problem
from offers.services.verb import By

WRITABLE = ("name", "description", "backend_id", "maximum_distinct_products", "lock_after_first_apply")


class InvalidPromotion(InvalidInput):
    """The promotion is not acceptable; `problems` names every field at once."""

    code = "invalid_promotion"


class PromotionIsArchived(Conflict):
    """An archived promotion neither changes nor takes anybody in."""

    code = "promotion_archived"


@dataclass(frozen=True)
class Put:
    """What a PUT by BackendID, or a change, did."""

    promotion: PersonalizedPromotion
    is_created: bool
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Deleted:
    """`is_archived`: it was assigned before, so it is kept; `enrolments` members go on with it."""

    is_archived: bool
    enrolments: int


def create(*, programme: Programme, values: Mapping[str, Any], by: By) -> PersonalizedPromotion:
    """Make a promotion. `values` has keys of WRITABLE; a name is mandatory.

    Raises InvalidPromotion with every problem, OffersModuleOff.
    """
    module.require(programme=programme)
    made = PersonalizedPromotion(programme=programme)
    with transaction.atomic():
        _apply(made, values)
        _save(made)
        _record("promotion.created", made, by, {name: getattr(made, name) for name in WRITABLE[2:]})
    return made


@patience.patient()
def update(*, promotion: PersonalizedPromotion, values: Mapping[str, Any], by: By, now: datetime) -> Put:
    """Change the given keys of WRITABLE; the same again changes nothing.

    A lock switched on holds for who has chosen already, and switched off for nobody (S2-08). Raises InvalidPromotion
    with every problem, also where members have chosen more products than a lower maximum lets; PromotionIsArchived.
    """
    module.require(programme=promotion.programme)
    return in_transaction(lambda: _update(promotion, values, by, now))


def put(*, programme: Programme, backend_id: str, values: Mapping[str, Any], by: By, now: datetime) -> Put:
    """Make the promotion with that BackendID, or change it: the same call again changes nothing (S2-10)."""
    module.require(programme=programme)
    values = {**values, "backend_id": backend_id}
    found = PersonalizedPromotion.objects.filter(programme=programme, backend_id=backend_id).first()
    if found is None:
        made = create(programme=programme, values=values, by=by)
        return Put(made, is_created=True, changed=tuple(sorted(values)))
    return update(promotion=found, values=values, by=by, now=now)


def delete(*, promotion: PersonalizedPromotion, by: By, now: datetime) -> Deleted:
    """Delete a promotion that nobody was ever enlisted in; archive any other: its enrolments stand. Again is the same.

    Whoever holds an archived one keeps her list and her choice; nobody new is enlisted.
    """
    module.require(programme=promotion.programme)
    return in_transaction(lambda: _delete(promotion, by, now))


def restore(*, promotion: PersonalizedPromotion, by: By) -> bool:
    """Bring an archived promotion back into use. False where it is in use already."""
    module.require(programme=promotion.programme)
    with transaction.atomic():
        known = PersonalizedPromotion.objects.filter(pk=promotion.pk, archived_at__isnull=False)
        if not known.update(archived_at=None):
            return False
        _record("promotion.restored", promotion, by, {})
    return True


def check(*, promotion: PersonalizedPromotion, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what `create` or `update` would refuse, for a form that shows it beside each field. Writes nothing."""
    try:
        _apply(copy.copy(promotion), values)
    except InvalidPromotion as error:
        return error.problems
    return []


def refuse_archived(promotion: PersonalizedPromotion) -> None:
    """Raise PromotionIsArchived for one that is out of use."""
    if promotion.archived_at is not None:
        message = _("“%(name)s” is archived. Bring it back into use first.") % {"name": promotion.name}
        raise PromotionIsArchived(message)


def _update(given: PersonalizedPromotion, values: Mapping[str, Any], by: By, now: datetime) -> Put:
    promotion = promotion_lock.take(given)
    refuse_archived(promotion)
    before = {name: getattr(promotion, name) for name in WRITABLE}
    _apply(promotion, values)
    changed = tuple(name for name in WRITABLE if getattr(promotion, name) != before[name])
    if not changed:
        return Put(promotion, is_created=False, changed=())
    _save(promotion)
    data: dict[str, Any] = {"changed": {name: [before[name], getattr(promotion, name)] for name in changed}}
    if "lock_after_first_apply" in changed:
        statement = LOCK if promotion.lock_after_first_apply else UNLOCK
        data["choices"] = execute(statement, {"promotion": promotion.pk, "now": now} | by.parameters())
    _record("promotion.updated", promotion, by, data)
    return Put(promotion, is_created=False, changed=changed)


# A choice that was made while this waited has a later moment than `now`.
LOCK = """
    WITH changed AS (
        UPDATE offers_promotionenrolment SET locked_at = greatest(%(now)s, chosen_at), updated_at = %(now)s
         WHERE promotion_id = %(promotion)s AND withdrawn_at IS NULL AND chosen_at IS NOT NULL AND locked_at IS NULL
        RETURNING id
    )
    INSERT INTO offers_promotionevent (enrolment_id, at, verb, source, actor_id, api_client_id, data)
    SELECT id, %(now)s, 'locked', %(source)s, %(actor_id)s, %(api_client_id)s, '{}' FROM changed ORDER BY id
"""
UNLOCK = """
    WITH changed AS (
        UPDATE offers_promotionenrolment SET locked_at = NULL, updated_at = %(now)s
         WHERE promotion_id = %(promotion)s AND withdrawn_at IS NULL AND locked_at IS NOT NULL
        RETURNING id
    )
    INSERT INTO offers_promotionevent (enrolment_id, at, verb, source, actor_id, api_client_id, data)
    SELECT id, %(now)s, 'unlocked', %(source)s, %(actor_id)s, %(api_client_id)s, '{}' FROM changed ORDER BY id
"""


def _delete(given: PersonalizedPromotion, by: By, now: datetime) -> Deleted:
    promotion = promotion_lock.take(given)
    enrolments = PromotionEnrolment.objects.filter(promotion=promotion)
    if not enrolments.exists():
        _record("promotion.deleted", promotion, by, {"backend_id": promotion.backend_id})
        PromotionListItem.objects.filter(product_list__promotion=promotion).delete()
        PromotionProductList.objects.filter(promotion=promotion).delete()
        promotion.delete()
        return Deleted(is_archived=False, enrolments=0)
    held = enrolments.filter(withdrawn_at__isnull=True).count()
    if promotion.archived_at is None:
        promotion.archived_at = now
        promotion.save(update_fields=["archived_at", "updated_at"])
        _record("promotion.archived", promotion, by, {"enrolments": held})
    return Deleted(is_archived=True, enrolments=held)


def _apply(promotion: PersonalizedPromotion, values: Mapping[str, Any]) -> None:
    """Set the values on the instance, or raise InvalidPromotion with every problem."""
    problems = [
        problem(name, "unknown_field", _("There is no field “%(name)s”.") % {"name": name})
        for name in values
        if name not in WRITABLE
    ]
    given = {name: values[name] for name in WRITABLE if name in values}
    problems += _shape_problems(given)
    for name in ("name", "description", "backend_id"):
        if isinstance(given.get(name), str):
            given[name] = given[name].strip()
    if "backend_id" in given:
        given["backend_id"] = given["backend_id"] or None
    for name, value in given.items():
        setattr(promotion, name, value)
    problems += of_model(promotion, exclude={"programme", *(found["field"] for found in problems)})
    if len(promotion.description) > 2000:
        problems.append(problem("description", "too_long", _("Give at most 2,000 characters.")))
    problems += _taken(promotion) + _above_maximum(promotion)
    if problems:
        message = _("The promotion was not saved: %(first)s") % {"first": problems[0]["message"]}
        raise InvalidPromotion(message, problems=problems)


def _shape_problems(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Say which values are of another kind than their fields; takes them out of `given`."""
    problems = []
    for name in ("name", "description", "backend_id"):
        if name in given and not isinstance(given[name], str) and not (name == "backend_id" and given[name] is None):
            problems.append(problem(name, "wrong_type", _("Give a text.")))
    maximum = given.get("maximum_distinct_products")
    if maximum is not None and (isinstance(maximum, bool) or not isinstance(maximum, int) or maximum < 1):
        message = _("Give a whole number of 1 or more, or leave it blank: then all products of the list may be chosen.")
        problems.append(problem("maximum_distinct_products", "not_a_number", message))
    if not isinstance(given.get("lock_after_first_apply", False), bool):
        problems.append(problem("lock_after_first_apply", "not_yes_or_no", _("Give true or false.")))
    for found in problems:
        given.pop(found["field"])
    return problems


def _taken(promotion: PersonalizedPromotion) -> list[dict[str, Any]]:
    others = PersonalizedPromotion.objects.filter(programme=promotion.programme).exclude(pk=promotion.pk)
    found = others.filter(backend_id=promotion.backend_id).first() if promotion.backend_id else None
    if found is None:
        return []
    words = {"value": promotion.backend_id, "name": found.name}
    message = _("“%(name)s” has the BackendID “%(value)s”. Choose another.") % words
    return [problem("backend_id", "taken", message)]


def _above_maximum(promotion: PersonalizedPromotion) -> list[dict[str, Any]]:
    """Refuse a maximum that members have gone beyond: nobody's choice is cut by an edit."""
    maximum = promotion.maximum_distinct_products
    if promotion.pk is None or not isinstance(maximum, int) or isinstance(maximum, bool):
        return []
    chosen = PromotionEnrolment.objects.filter(promotion=promotion, withdrawn_at__isnull=True)
    beyond = chosen.annotate(products=Count("choices")).filter(products__gt=maximum).count()
    if not beyond:
        return []
    message = ngettext(
        "%(n)d member has chosen more products than that. Leave it as it is, or let her choose fewer first.",
        "%(n)d members have chosen more products than that. Leave it as it is, or let them choose fewer first.",
        beyond,
    )
    return [problem("maximum_distinct_products", "chosen_more", message % {"n": beyond})]


def _save(promotion: PersonalizedPromotion) -> None:
    try:
        with transaction.atomic():
            promotion.save()
    except IntegrityError as error:
        # Two callers saved it at the same moment; the constraint let one through.
        message = _("Another promotion took this BackendID at the same moment. Load it and try again.")
        raise Conflict(message) from error


def _record(action: str, promotion: PersonalizedPromotion, by: By, data: Mapping[str, Any]) -> None:
    verb.audited(action, promotion, programme=promotion.programme, by=by, data=data)
