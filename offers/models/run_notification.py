"""What people are told by e-mail about runs: one row each, written with what it tells of (issue 4, "Running")."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class RunNotification(models.Model):
    """One person told once of one occasion: written in its transaction, sent after it, by a worker."""

    class Kind(models.TextChoices):
        FINISHED = "finished", _("finished")
        TROUBLED = "troubled", _("failed, declined, or finished with errors")
        UNDONE = "undone", _("undone")
        APPROVAL = "approval", _("waits for approval")

    run = models.ForeignKey(
        "offers.MassAssignment",
        on_delete=models.PROTECT,
        related_name="notifications",
        verbose_name=_("mass assignment"),
    )
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("recipient")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    # The audit event that set the run going, or the request for approval: what ends the same launch is told once.
    occasion = models.BigIntegerField(_("occasion"))
    # The summary as numbers and codes, never as sentences, and never about a member.
    data = models.JSONField(_("summary"), default=dict)
    created_at = models.DateTimeField(_("created"))
    # Raised before the work: a message that kills its worker is not tried for ever.
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    leased_until = models.DateTimeField(_("leased until"), null=True)
    sent_at = models.DateTimeField(_("sent"), null=True)
    given_up_at = models.DateTimeField(_("given up"), null=True)
    failure = models.CharField(_("cause"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("message about a run")
        verbose_name_plural = _("messages about runs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "recipient", "kind", "occasion"], name="a_person_is_told_once_of_each_occasion"
            ),
            models.CheckConstraint(
                condition=models.Q(sent_at__isnull=True) | models.Q(given_up_at__isnull=True),
                name="what_was_sent_was_not_given_up",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(sent_at__isnull=True, given_up_at__isnull=True),
                name="messages_to_send",
            ),
            models.Index(fields=["recipient", "-id"], name="messages_by_recipient"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.kind}: {self.recipient_id}"


class RunFollower(models.Model):
    """Somebody who wants to hear of a run that another person launched."""

    run = models.ForeignKey(
        "offers.MassAssignment",
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("mass assignment"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("person")
    )
    followed_at = models.DateTimeField(_("followed"))

    class Meta:
        verbose_name = _("follower of a run")
        verbose_name_plural = _("followers of runs")
        constraints = [models.UniqueConstraint(fields=["run", "user"], name="a_run_is_followed_once_by_a_person")]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.user_id}"
