"""Offer templates: the shell for assignments, naming the rules that must be given (S0-05..09)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class OfferTemplate(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="offer_templates",
        verbose_name=_("programme"),
    )
    config_offer = models.ForeignKey(
        "offers.ConfigOffer",
        on_delete=models.PROTECT,
        related_name="templates",
        verbose_name=_("config offer"),
    )
    external_id = models.CharField(_("external id"), max_length=200, null=True, blank=True, db_collation="C")
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    # Kinds of offers.rules that each assignment has to set.
    required_rules = ArrayField(
        models.CharField(max_length=40), verbose_name=_("required rules"), default=list, blank=True
    )
    # Names of the roles that may grant it at the desk; none: all that may grant.
    desk_roles = ArrayField(
        models.CharField(max_length=150), verbose_name=_("granted at the desk by"), default=list, blank=True
    )
    # The one that publishing made, without required rules: "offer" at any door means it (D-11).
    is_default = models.BooleanField(_("is the default"), default=False, editable=False)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("offer template")
        verbose_name_plural = _("offer templates")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="a_template_external_id_is_used_once_per_programme"
            ),
            models.UniqueConstraint(
                fields=["config_offer"],
                condition=models.Q(is_default=True),
                name="an_offer_has_one_default_template",
            ),
        ]

    def __str__(self) -> str:
        return self.name
