from django.db import models
from django.utils.translation import gettext_lazy as _


class RedemptionQuerySet(models.QuerySet["Redemption"]):
    def standing(self) -> "RedemptionQuerySet":
        """Those that were not given back."""
        return self.filter(returned_at__isnull=True)


class Redemption(models.Model):
    """One use of an offer. `assignment` is null for a system-wide offer.

    One that was given back keeps its row with its moment, and counts no more: what happened stays known, its external
    id stays taken, so the same till's message that comes late uses nothing again (D-08).
    """

    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("programme"),
        db_index=False,
    )
    member = models.ForeignKey(
        "loyalty.Member", on_delete=models.PROTECT, related_name="redemptions", verbose_name=_("member")
    )
    config_offer = models.ForeignKey(
        "offers.ConfigOffer",
        on_delete=models.PROTECT,
        related_name="redemptions",
        verbose_name=_("config offer"),
        db_index=False,
    )
    assignment = models.ForeignKey(
        "offers.Assignment",
        on_delete=models.PROTECT,
        null=True,
        related_name="redemptions",
        verbose_name=_("assignment"),
        db_constraint=False,
    )
    purchase = models.ForeignKey(
        "loyalty.Purchase",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("purchase"),
        db_constraint=False,
        db_index=False,
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    redeemed_at = models.DateTimeField(_("redeemed"))
    benefit_minor = models.BigIntegerField(_("benefit"), null=True)
    points = models.IntegerField(_("points"), null=True)
    returned_at = models.DateTimeField(_("given back"), null=True, blank=True)

    objects = RedemptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        ordering = ["-redeemed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"],
                name="a_redemption_external_id_is_used_once_per_programme",
            ),
        ]
        indexes = [models.Index(fields=["config_offer", "redeemed_at"], name="redemption_by_offer")]

    def __str__(self) -> str:
        return self.external_id
