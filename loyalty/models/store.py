from django.db import models
from django.utils.translation import gettext_lazy as _


class Store(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="stores", verbose_name=_("programme")
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    name = models.CharField(_("name"), max_length=200)
    city = models.CharField(_("city"), max_length=100, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="a_store_external_id_is_used_once_per_programme"
            ),
        ]

    def __str__(self) -> str:
        return self.name
