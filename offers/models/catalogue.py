"""The offer repository (S4-01..10): config offers and their immutable published revisions.

Members see the current revision's texts and images; an assignment keeps the terms of the revision it was given
under (DESIGN 4).
"""

import uuid

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from offers.models.address import web_address


class Audience(models.TextChoices):
    PERSONALIZED = "personalized", _("personalized: only who was given it")
    EVERYONE = "everyone", _("everyone: system-wide, without assignment")


class RepeatPolicy(models.TextChoices):
    """How often one member may be given the same offer (D-01)."""

    ONCE_PER_CAMPAIGN = "once_per_campaign", _("once per campaign")
    ONE_OPEN = "one_open", _("one open at a time")
    ONCE_EVER = "once_ever", _("once ever")
    UNLIMITED = "unlimited", _("unlimited")


class ConfigOffer(models.Model):
    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        PUBLISHED = "published", _("published")
        ARCHIVED = "archived", _("archived")

    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="config_offers",
        verbose_name=_("programme"),
    )
    # In the address of a system-wide offer's page, where a personalized one has its own id (S0-12).
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    offer_reference = models.CharField(_("offer reference"), max_length=100, db_collation="C")
    external_id = models.CharField(
        _("external id"),
        max_length=200,
        null=True,
        blank=True,
        db_collation="C",
        help_text=_("The id in your content system."),
    )
    audience = models.CharField(_("audience"), max_length=12, choices=Audience, default=Audience.PERSONALIZED)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    image_url = models.CharField(_("image URL"), max_length=500, blank=True, validators=[web_address])
    web_page_url = models.URLField(_("web page URL"), max_length=500, blank=True)
    to_synchronize = models.BooleanField(
        _("to synchronize"),
        default=False,
        help_text=_("Each assignment waits until the till has confirmed it."),
    )
    require_vouchers = models.BooleanField(
        _("require vouchers"),
        default=False,
        help_text=_("Each assignment draws a code from this offer's bank."),
    )
    repeat_policy = models.CharField(
        _("repeat policy"), max_length=20, choices=RepeatPolicy, default=RepeatPolicy.ONCE_PER_CAMPAIGN
    )
    # Whether the till takes the code without a member (D-13).
    is_bearer = models.BooleanField(_("code works for its bearer"), default=False)
    rank = models.IntegerField(_("rank"), default=100, help_text=_("Lower stands first."))
    # Whom it may be given to, at any door: the criteria of a saved audience as they were when it was chosen.
    eligibility = models.ForeignKey(
        "offers.TargetingVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("only for members of"),
    )
    # The draft's rules by kind, and texts by language: {"de": {"name": …, "description": …, "how_to_use": …}}.
    terms = models.JSONField(_("terms"), default=dict, blank=True)
    texts = models.JSONField(_("texts"), default=dict, blank=True)
    fields = models.JSONField(_("extra fields"), default=dict, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    current_revision = models.ForeignKey(
        "offers.OfferRevision",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("current revision"),
    )
    published_at = models.DateTimeField(_("published"), null=True, blank=True, editable=False)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("config offer")
        verbose_name_plural = _("config offers")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "offer_reference"], name="an_offer_reference_is_used_once_per_programme"
            ),
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="an_offer_external_id_is_used_once_per_programme"
            ),
            models.CheckConstraint(condition=~models.Q(offer_reference=""), name="an_offer_has_a_reference"),
            models.CheckConstraint(condition=~models.Q(name=""), name="an_offer_has_a_name"),
            models.CheckConstraint(
                condition=~models.Q(state="published") | models.Q(current_revision__isnull=False),
                name="a_published_offer_has_a_revision",
            ),
            models.CheckConstraint(
                condition=~models.Q(audience="everyone", require_vouchers=True),
                name="an_offer_for_everyone_needs_no_vouchers",
            ),
        ]
        indexes = [
            # The member's list: the few offers for everyone among all of the programme's.
            models.Index(
                fields=["programme"],
                name="offer_for_everyone",
                condition=models.Q(audience="everyone", state="published"),
            ),
        ]
        permissions = [
            ("publish_configoffer", _("Can publish and archive offers")),
            ("set_eligibility", _("Can choose whom an offer may be given to")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_published(self) -> bool:
        return self.state == self.State.PUBLISHED


class OfferRevision(models.Model):
    """What was published, as it was; the database refuses to change it."""

    config_offer = models.ForeignKey(
        ConfigOffer, on_delete=models.PROTECT, related_name="revisions", verbose_name=_("config offer")
    )
    number = models.PositiveIntegerField(_("number"))
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    image_url = models.CharField(_("image URL"), max_length=500, blank=True)
    web_page_url = models.CharField(_("web page URL"), max_length=500, blank=True)
    terms = models.JSONField(_("terms"), default=dict)
    texts = models.JSONField(_("texts"), default=dict)
    # Of an offer for everyone, settled from the terms when published: the member's list runs no rules.
    starts_at = models.DateTimeField(_("starts"), null=True)
    ends_at = models.DateTimeField(_("ends"), null=True)
    published_at = models.DateTimeField(_("published"), db_default=Now())
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("published by"),
    )

    class Meta:
        verbose_name = _("offer revision")
        verbose_name_plural = _("offer revisions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["config_offer", "number"], name="a_revision_number_is_used_once_per_offer"),
        ]
        triggers = [pgtrigger.Protect(name="a_revision_never_changes", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.name} · {self.number}"
