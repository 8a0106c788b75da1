"""Personalized promotions: who is enlisted, from which list of products she may choose, and what she chose (S2-01..11).

Nobody chooses outside her list or above the promotion's maximum: services hold that under the promotion's, the list's
and the enrolment's lock (docs/locking.md), and `check_integrity` looks for what slipped through.
"""

import uuid
from typing import TYPE_CHECKING, Any

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from offers.models.assignment import Source

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from loyalty.models import ApiClient, User


# Nobody looks for what somebody did here, so it has no index.
WHO: dict[str, Any] = {"on_delete": models.PROTECT, "null": True, "related_name": "+", "db_index": False}


def _person(label: "_StrPromise") -> "models.ForeignKey[User | None, User | None]":
    return models.ForeignKey(settings.AUTH_USER_MODEL, verbose_name=label, **WHO)


def _key(label: "_StrPromise") -> "models.ForeignKey[ApiClient | None, ApiClient | None]":
    return models.ForeignKey("loyalty.ApiClient", verbose_name=label, **WHO)


class PersonalizedPromotion(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="promotions", verbose_name=_("programme")
    )
    # In the address of a member's own page and API.
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), max_length=2000, blank=True)
    backend_id = models.CharField(
        _("BackendID"),
        max_length=200,
        null=True,
        blank=True,
        db_collation="C",
        help_text=_("The id in your own systems, for calls of the API."),
    )
    maximum_distinct_products = models.PositiveIntegerField(
        _("maximum distinct products"),
        null=True,
        blank=True,
        help_text=_("How many different products of the list may be chosen. Left blank: all of them."),
    )
    lock_after_first_apply = models.BooleanField(
        _("lock after first apply"),
        default=False,
        help_text=_("The first choice stays; otherwise it may change freely."),
    )
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("personalized promotion")
        verbose_name_plural = _("personalized promotions")
        ordering = ["name", "pk"]
        # The chapter as a whole, as the roles of S2-03 know it.
        permissions = [("personalized_promotions", "PersonalizedPromotions")]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "backend_id"], name="a_promotion_backend_id_is_used_once_per_programme"
            ),
            models.CheckConstraint(
                condition=Q(maximum_distinct_products__isnull=True) | Q(maximum_distinct_products__gte=1),
                name="a_promotion_lets_choose_at_least_one_product",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PromotionProductList(models.Model):
    """What its members may choose from, in order. One promotion may have a list for each member."""

    promotion = models.ForeignKey(
        PersonalizedPromotion, on_delete=models.PROTECT, related_name="lists", verbose_name=_("promotion")
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    name = models.CharField(_("name"), max_length=200)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("promotion product list")
        verbose_name_plural = _("promotion product lists")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "external_id"], name="a_product_list_external_id_is_used_once_per_promotion"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PromotionListItem(models.Model):
    """A product of a list. A default one counts at the till for whoever has chosen nothing (S2-19)."""

    product_list = models.ForeignKey(
        PromotionProductList, on_delete=models.PROTECT, related_name="items", verbose_name=_("list")
    )
    product = models.ForeignKey(
        "loyalty.Product", on_delete=models.PROTECT, related_name="+", verbose_name=_("product")
    )
    position = models.PositiveIntegerField(_("position"))
    is_default = models.BooleanField(_("default product"), default=False)

    class Meta:
        verbose_name = _("product of a promotion list")
        verbose_name_plural = _("products of promotion lists")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["product_list", "product"], name="a_product_stands_once_on_a_promotion_list"
            ),
            models.UniqueConstraint(
                fields=["product_list"], condition=Q(is_default=True), name="a_promotion_list_has_one_default_product"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_list_id}: {self.product_id}"


class PromotionEnrolment(models.Model):
    """A member of a promotion with her list: once, however often it changes. Withdrawn, it is kept and may come back.

    Her choice is locked from `locked_at`; `revision` counts the changes of her choice, for who saw an older one.
    """

    promotion = models.ForeignKey(
        PersonalizedPromotion,
        on_delete=models.PROTECT,
        related_name="enrolments",
        verbose_name=_("promotion"),
        db_index=False,
    )
    product_list = models.ForeignKey(
        PromotionProductList,
        on_delete=models.PROTECT,
        related_name="enrolments",
        verbose_name=_("list"),
        db_index=False,
    )
    member = models.ForeignKey(
        "loyalty.Member", on_delete=models.PROTECT, related_name="promotion_enrolments", verbose_name=_("member")
    )
    source = models.SmallIntegerField(_("source"), choices=Source, null=True)
    actor = _person(_("assigned by"))
    api_client = _key(_("assigned by the key"))
    assigned_at = models.DateTimeField(_("assigned"))
    chosen_at = models.DateTimeField(_("chosen"), null=True)
    locked_at = models.DateTimeField(_("locked"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)
    revision = models.PositiveIntegerField(_("revision of the choice"), default=0, db_default=0)
    updated_at = models.DateTimeField(_("updated"), db_default=Now())

    class Meta:
        verbose_name = _("enrolment in a promotion")
        verbose_name_plural = _("enrolments in promotions")
        ordering = ["-assigned_at", "-pk"]
        permissions = [
            ("choose_promotion_products", _("Can choose products of promotions for a member, and withdraw them"))
        ]
        constraints = [
            models.UniqueConstraint(fields=["promotion", "member"], name="a_member_is_enrolled_once_per_promotion"),
            models.CheckConstraint(
                condition=Q(locked_at__isnull=True) | Q(chosen_at__isnull=False, chosen_at__lte=F("locked_at")),
                name="a_choice_is_locked_once_it_is_made",
            ),
        ]
        indexes = [
            # How many hold a promotion, and how many of them have chosen, whenever the chapter is opened: each from a
            # small index alone, half of what one with both would take.
            models.Index(fields=["promotion"], name="held_by_promotion", condition=Q(withdrawn_at__isnull=True)),
            models.Index(
                fields=["promotion"],
                name="chosen_by_promotion",
                condition=Q(withdrawn_at__isnull=True, chosen_at__isnull=False),
            ),
            # Likewise of a list; and the API's pages of its members, by key.
            models.Index(fields=["product_list", "id"], include=["chosen_at", "withdrawn_at"], name="held_by_list"),
            # A promotion's members, the newest first.
            models.Index(
                fields=["promotion", "-assigned_at", "-id"],
                name="newest_of_promotion",
                condition=Q(withdrawn_at__isnull=True),
            ),
            # What happened last in a promotion.
            models.Index(fields=["promotion", "-updated_at", "-id"], name="last_changed_of_promotion"),
        ]

    def __str__(self) -> str:
        return f"{self.promotion_id}: {self.member_id}"

    @property
    def is_locked(self) -> bool:
        return self.locked_at is not None


class PromotionChoice(models.Model):
    """A product that a member chose from her list."""

    enrolment = models.ForeignKey(
        PromotionEnrolment,
        on_delete=models.PROTECT,
        related_name="choices",
        verbose_name=_("enrolment"),
        db_index=False,
    )
    # The product on her list, so that the database itself refuses to take it off while it is chosen.
    item = models.ForeignKey(
        PromotionListItem, on_delete=models.PROTECT, related_name="choices", verbose_name=_("product of the list")
    )

    class Meta:
        verbose_name = _("chosen product")
        verbose_name_plural = _("chosen products")
        constraints = [
            models.UniqueConstraint(fields=["enrolment", "item"], name="a_product_is_chosen_once_per_enrolment"),
        ]

    def __str__(self) -> str:
        return f"{self.enrolment_id}: {self.item_id}"


class PromotionEvent(models.Model):
    """What happened to an enrolment, and by whom; append-only. Without actor and key it was the member herself."""

    class Verb(models.TextChoices):
        ASSIGNED = "assigned", _("assigned")
        REPLACED = "replaced", _("another list assigned")
        CHOSEN = "chosen", _("chosen")
        CHANGED = "changed", _("choice changed")
        CLEARED = "cleared", _("choice taken back")
        DROPPED = "dropped", _("chosen product taken off the list")
        LOCKED = "locked", _("choice locked")
        UNLOCKED = "unlocked", _("choice unlocked")
        WITHDRAWN = "withdrawn", _("withdrawn")
        RESTORED = "restored", _("given back")

    enrolment = models.ForeignKey(
        PromotionEnrolment, on_delete=models.PROTECT, related_name="events", verbose_name=_("enrolment"), db_index=False
    )
    at = models.DateTimeField(_("at"))
    verb = models.CharField(_("verb"), max_length=10, choices=Verb)
    source = models.SmallIntegerField(_("source"), choices=Source, null=True)
    actor = _person(_("actor"))
    api_client = _key(_("API client"))
    # `list` and `products` by external id, `is_locked`, and what was before; never personal data.
    data = models.JSONField(_("data"), default=dict)

    class Meta:
        verbose_name = _("event of a promotion")
        verbose_name_plural = _("events of promotions")
        indexes = [models.Index(fields=["enrolment", "id"], name="promotion_event_by_enrolment")]
        triggers = [
            pgtrigger.Protect(name="promotion_events_are_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return self.verb
