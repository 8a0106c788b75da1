"""Undoing a whole mass assignment: who asked for it, its chunks, and who had used hers already (B-04).

finished | finished_with_errors | cancelled -> undoing -> undone
"""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class MassAssignmentUndo(models.Model):
    """One for each run, made when its undo begins; `counts` are written when it ends."""

    run = models.OneToOneField(
        "offers.MassAssignment",
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="undo",
        verbose_name=_("mass assignment"),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    state_before = models.CharField(_("state before"), max_length=22)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("started by"),
    )
    api_client = models.ForeignKey(
        "loyalty.ApiClient", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("API client")
    )
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("undo of a mass assignment")
        verbose_name_plural = _("undos of mass assignments")
        permissions = [("undo_massassignment", _("Can undo a whole mass assignment"))]

    def __str__(self) -> str:
        return str(self.run_id)


class MassAssignmentUndoChunk(models.Model):
    """One for each chunk of the run that assigned anything: what one worker takes back in one transaction."""

    undo = models.ForeignKey(
        MassAssignmentUndo, on_delete=models.PROTECT, related_name="chunks", verbose_name=_("undo")
    )
    # The number, the range and the number of assignments of the run's own chunk.
    number = models.PositiveIntegerField(_("number"))
    first_member_id = models.BigIntegerField(_("first member"))
    last_member_id = models.BigIntegerField(_("last member"))
    size = models.PositiveIntegerField(_("size"))
    # Raised before the work, as for a chunk that assigns.
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    leased_until = models.DateTimeField(_("leased until"), null=True)
    done_at = models.DateTimeField(_("done"), null=True)
    failed_at = models.DateTimeField(_("failed"), null=True)
    failure = models.CharField(_("cause"), max_length=500, blank=True)
    # The moment that everything it took back carries as `revoked_at`: with it, its rows of the outbox address exactly
    # those (docs/events.md).
    revoked_at = models.DateTimeField(_("revoked"), null=True)
    # By result: revoked; redeemed, used_up, closed, expired, revoked_before (left alone); and of the revoked ones'
    # codes: returned, burned, other.
    counts = models.JSONField(_("counts"), default=dict)

    class Meta:
        verbose_name = _("chunk of an undo")
        verbose_name_plural = _("chunks of undos")
        constraints = [
            models.UniqueConstraint(fields=["undo", "number"], name="a_chunk_is_undone_once"),
        ]

    def __str__(self) -> str:
        return f"{self.undo_id}/{self.number}"


class KeptAssignment(models.Model):
    """An assignment that an undo could not take back, because it had been used: the list that B-04 asks for."""

    class Reason(models.TextChoices):
        REDEEMED = "redeemed", _("used")
        USED_UP = "used_up", _("used up")

    pk = models.CompositePrimaryKey("run", "member", "assignment")
    run = models.ForeignKey(
        "offers.MassAssignment",
        on_delete=models.PROTECT,
        related_name="kept",
        verbose_name=_("mass assignment"),
        db_constraint=False,
        db_index=False,
    )
    member = models.ForeignKey(
        "loyalty.Member",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("member"),
        db_constraint=False,
        db_index=False,
    )
    assignment = models.ForeignKey(
        "offers.Assignment",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("assignment"),
        db_constraint=False,
        db_index=False,
    )
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("assignment that stayed")
        verbose_name_plural = _("assignments that stayed")

    def __str__(self) -> str:
        return str(self.assignment_id)
