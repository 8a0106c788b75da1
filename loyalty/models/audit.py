"""Who did what, append-only: the database itself refuses to change or delete a row."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("programme"),
    )
    at = models.DateTimeField(_("at"), db_default=Now())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    api_client = models.ForeignKey(
        "loyalty.ApiClient",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("API client"),
    )
    action = models.CharField(_("action"), max_length=60)
    object_type = models.CharField(_("object type"), max_length=60, blank=True)
    object_id = models.CharField(_("object"), max_length=60, blank=True)
    object_label = models.CharField(_("object label"), max_length=200, blank=True)
    data = models.JSONField(_("data"), default=dict, blank=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit")
        ordering = ["-id"]
        indexes = [
            # The history at the bottom of a detail page.
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_by_object"),
            # "Undone today", an agent's own grants.
            models.Index(fields=["user", "-at"], name="audit_by_user"),
            # Who looked at what, of some days.
            models.Index(fields=["programme", "-at"], name="audit_by_programme"),
        ]
        triggers = [pgtrigger.Protect(name="audit_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.action} {self.object_label}".strip()
