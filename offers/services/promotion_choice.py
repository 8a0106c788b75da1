"""What a member chooses from her list: by herself, by a trusted server, or by an agent for her (S2-02, S2-06..08).

Looked at and written under the enrolment's lock, so that two tabs never choose more than one may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.database import in_transaction
from loyalty.errors import Conflict, InvalidInput, NotFound
from loyalty.services import audit
from offers.models import (
    PersonalizedPromotion,
    PromotionChoice,
    PromotionEnrolment,
    PromotionEvent,
    PromotionListItem,
)
from offers.services import module, promotion_enrolment, promotion_lock
from offers.services.problem import problem
from offers.services.verb import By

Verb = PromotionEvent.Verb


class InvalidChoice(InvalidInput):
    """The products cannot be chosen; `problems` names each one."""

    code = "invalid_choice"


class ChoiceLocked(Conflict):
    """The first choice stays (S2-08)."""

    code = "choice_locked"


class ChoiceChanged(Conflict):
    """Another choice was made since the one that the caller saw."""

    code = "choice_changed"


class EnrolmentWithdrawn(NotFound):
    """The promotion was taken from her."""

    code = "enrolment_withdrawn"


@dataclass(frozen=True)
class Chosen:
    """`code`: chosen, changed, cleared, or unchanged where it was so already."""

    code: str
    enrolment: PromotionEnrolment


def choose(
    *,
    enrolment: PromotionEnrolment,
    products: Sequence[str],
    by: By,
    now: datetime,
    seen: int | None = None,
) -> Chosen:
    """Make these products, by external id, the member's choice: all of it, in place of what she chose before.

    The same again changes nothing, locked or not. `seen` is the revision of the choice that the caller knew. Raises
    InvalidChoice with every product that is not on her list or too many, ChoiceLocked, ChoiceChanged, and
    EnrolmentWithdrawn. An empty choice takes back one that is not locked. Nobody's but an active member's changes.
    """
    owner = enrolment.promotion
    module.require(programme=owner.programme)
    return in_transaction(lambda: _choose(owner, enrolment.pk, products, by, now, seen))


def _choose(
    given: PersonalizedPromotion, enrolment_id: int, products: Any, by: By, now: datetime, seen: int | None
) -> Chosen:
    owner = promotion_lock.share(given)
    enrolment = _locked(enrolment_id)
    items = {
        item.product.external_id: item
        for item in PromotionListItem.objects.filter(product_list=enrolment.product_list_id).select_related("product")
    }
    held = list(PromotionChoice.objects.filter(enrolment=enrolment).select_related("item__product"))
    before = {choice.item.product.external_id for choice in held}
    chosen = _checked(owner, items, products)
    if set(chosen) == before:
        return Chosen("unchanged", enrolment)
    if enrolment.is_locked:
        _refuse_locked()
    if seen is not None and seen != enrolment.revision:
        raise ChoiceChanged(_("Another choice was made meanwhile. Look at it, then choose again."))
    PromotionChoice.objects.filter(enrolment=enrolment).exclude(item__in=[items[one] for one in chosen]).delete()
    PromotionChoice.objects.bulk_create(
        [PromotionChoice(enrolment=enrolment, item=items[one]) for one in chosen if one not in before]
    )
    verb = Verb.CLEARED if not chosen else Verb.CHANGED if before else Verb.CHOSEN
    enrolment.chosen_at = now if chosen else None
    enrolment.locked_at = now if chosen and owner.lock_after_first_apply else None
    enrolment.revision += 1
    enrolment.updated_at = now
    enrolment.save(update_fields=["chosen_at", "locked_at", "revision", "updated_at"])
    data: dict[str, Any] = {"products": chosen, "is_locked": enrolment.is_locked}
    if before:
        data["former"] = sorted(before, key=lambda one: items[one].position)
    promotion_enrolment.record(enrolment, verb, by=by, now=now, data=data)
    if by.actor is not None:
        audit.record(
            action=f"promotion.{verb}_for_member",
            actor=by.actor,
            programme=owner.programme,
            target=enrolment.member,
            data={"promotion": owner.pk, "products": chosen},
        )
    return Chosen(str(verb), enrolment)


def _locked(enrolment_id: int) -> PromotionEnrolment:
    """Return the enrolment locked, its list shared before it where nobody gives her another one just now."""
    known = PromotionEnrolment.objects.select_related("member", "product_list")
    before = known.filter(pk=enrolment_id).values_list("product_list_id", flat=True).first()
    if before is not None:
        promotion_lock.share_list(before)
    enrolment = known.select_for_update(of=("self",)).filter(pk=enrolment_id).first()
    if enrolment is None or enrolment.withdrawn_at is not None:
        raise EnrolmentWithdrawn(_("This promotion is no longer hers."))
    if enrolment.product_list_id != before:
        promotion_lock.share_list(enrolment.product_list_id)
    if enrolment.member.status != "active":
        raise Conflict(_("Only an active member chooses."), code="member_inactive")
    return enrolment


def _checked(owner: PersonalizedPromotion, items: dict[str, PromotionListItem], products: Any) -> list[str]:
    """Return the products in their list's order, or raise InvalidChoice with every problem."""
    if not isinstance(products, list | tuple) or not all(isinstance(one, str) for one in products):
        message = _("Give the products' external ids as a list of texts.")
        raise InvalidChoice(message, problems=[problem("products", "not_a_list", message)])
    wanted = dict.fromkeys(products)
    problems = [
        problem("products", "not_on_the_list", _("“%(id)s” is not on the list.") % {"id": one[:200]})
        for one in wanted
        if one not in items
    ]
    maximum = owner.maximum_distinct_products
    if maximum is not None and len(wanted) > maximum:
        message = ngettext(
            "At most %(most)d product may be chosen, not %(given)d.",
            "At most %(most)d products may be chosen, not %(given)d.",
            maximum,
        )
        problems.append(problem("products", "too_many", message % {"most": maximum, "given": len(wanted)}))
    if problems:
        raise InvalidChoice(problems[0]["message"], problems=problems)
    return sorted(wanted, key=lambda one: items[one].position)


def _refuse_locked() -> NoReturn:
    raise ChoiceLocked(_("The choice was made and stays: this promotion does not let it change."))
