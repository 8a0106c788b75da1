"""The answers that writes under an Idempotency-Key gave, stored in the transaction of their effect."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    api_client = models.ForeignKey("loyalty.ApiClient", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(_("key"), max_length=200)
    body_hash = models.CharField(_("hash of the request"), max_length=64)
    status = models.PositiveSmallIntegerField(_("HTTP status"))
    body = models.JSONField(_("answer"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints = [
            models.UniqueConstraint(fields=["api_client", "key"], name="an_idempotency_key_is_used_once_per_client"),
        ]

    def __str__(self) -> str:
        return self.key
