"""Approvals of large runs: asked for with what the run would do, decided by somebody else."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class RunApproval(models.Model):
    """One request for a run: its size when it was asked, and what was decided. The last approved one counts."""

    class Cause(models.TextChoices):
        SIZE = "size", _("it is larger than one person may launch")
        GREW = "grew", _("its audience grew since it was approved")

    class Decision(models.TextChoices):
        APPROVED = "approved", _("approved")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")

    run = models.ForeignKey(
        "offers.MassAssignment", on_delete=models.PROTECT, related_name="approvals", verbose_name=_("mass assignment")
    )
    cause = models.CharField(_("why"), max_length=4, choices=Cause)
    members = models.PositiveIntegerField(_("members"))
    exposure_minor = models.BigIntegerField(_("worst case"))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("asked by")
    )
    requested_client = models.ForeignKey(
        "loyalty.ApiClient", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("asked by the key")
    )
    requested_at = models.DateTimeField(_("asked"))
    decision = models.CharField(_("decision"), max_length=9, choices=Decision, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided"), null=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run"],
                condition=models.Q(decision=""),
                name="a_run_asks_for_one_approval_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True)
                | models.Q(requested_by__isnull=True)
                | models.Q(decision="withdrawn")
                | ~models.Q(decided_by=models.F("requested_by")),
                name="nobody_approves_a_run_of_their_own",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.decision or 'open'}"
