"""Saved targetings: a criteria tree over members, kept in versions (S4-24..26)."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Targeting(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="targetings", verbose_name=_("programme")
    )
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("owner"),
    )
    current_version = models.ForeignKey(
        "offers.TargetingVersion",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("current version"),
    )
    # Conditions that one offer asks for, which are nobody else's audience: no list shows them.
    config_offer = models.OneToOneField(
        "offers.ConfigOffer",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="conditions",
        verbose_name=_("config offer"),
    )
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("targeting")
        verbose_name_plural = _("targetings")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "name"],
                condition=models.Q(archived_at__isnull=True, config_offer__isnull=True),
                name="a_targeting_name_is_used_once_per_programme",
            ),
        ]
        permissions = [("explain_targeting", _("Can see with a member's values why she is in or out of an audience"))]

    def __str__(self) -> str:
        return self.name


class TargetingVersion(models.Model):
    """What a targeting was when it was counted or launched; never changed, only followed by the next.

    Other targetings are named in their versions of then: `{"targeting": 7, "version": 2}`.
    """

    targeting = models.ForeignKey(
        Targeting, on_delete=models.PROTECT, related_name="versions", verbose_name=_("targeting")
    )
    number = models.PositiveIntegerField(_("number"))
    criteria = models.JSONField(_("criteria"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("targeting version")
        verbose_name_plural = _("targeting versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["targeting", "number"], name="a_version_number_is_used_once_per_targeting"),
        ]

    def __str__(self) -> str:
        return f"{self.targeting} v{self.number}"
