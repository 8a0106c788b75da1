"""What happened, for everyone outside: written in the transaction of the change, positioned by the relay.

One row per set of assignments of one offer (DESIGN 5). It addresses them by ids up to 1,000, else by run and
chunk. Never page by id or time: commits land out of order; page by `position`.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class OutboxEvent(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    type = models.CharField(_("type"), max_length=60)
    # Plain ids: the ground floor does not know the offers app.
    config_offer_id = models.BigIntegerField(_("config offer"), null=True)
    run_id = models.BigIntegerField(_("run"), null=True)
    chunk = models.IntegerField(_("chunk"), null=True)
    assignment_ids = ArrayField(models.UUIDField(), verbose_name=_("assignments"), default=list)
    # Synchronized when it was created: which of the two triggers of S4-37 this set fires.
    is_synchronized = models.BooleanField(_("synchronized at creation"), null=True)
    size = models.IntegerField(_("size"), default=0)
    data = models.JSONField(_("data"), default=dict)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    position = models.BigIntegerField(_("position"), null=True, unique=True)

    class Meta:
        verbose_name = _("outbox event")
        verbose_name_plural = _("outbox")
        indexes = [
            # The relay's work: what has no position yet.
            models.Index(fields=["id"], name="outbox_waiting", condition=models.Q(position__isnull=True)),
            # An assignment's timeline: what was told of it, alone or with its chunk (B-18).
            GinIndex(fields=["assignment_ids"], name="outbox_by_assignment"),
            models.Index(fields=["run_id", "chunk"], name="outbox_by_chunk", condition=models.Q(run_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.pk}"
