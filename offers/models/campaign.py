from django.db import models
from django.utils.translation import gettext_lazy as _


class Campaign(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="campaigns", verbose_name=_("programme")
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    name = models.CharField(_("name"), max_length=200)
    type = models.CharField(_("type"), max_length=40, blank=True)
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    # Made for a mass assignment that has no campaign: the run is its own (D-01).
    is_of_run = models.BooleanField(_("belongs to one run"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-starts_at", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="a_campaign_external_id_is_used_once_per_programme"
            ),
        ]

    def __str__(self) -> str:
        return self.name
