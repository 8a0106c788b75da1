"""Making good for many members at once: the set, and what became of each line of it (B-05)."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from offers.models.assignment import relation
from offers.models.outcome import OUTCOME_LABELS


class GrantBatch(models.Model):
    """One set of grants that an agent made together. Its id is the `batch` of the rows that it has in the ledger."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        GRANTED = "granted", _("granted")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPIRED = "expired", _("expired")
        UNDONE = "undone", _("undone")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("programme")
    )
    # The form's: sent twice, it is the same set.
    reference = models.UUIDField(_("reference"))
    template = relation("offers.OfferTemplate", _("template"), related_name="+")
    # The rule values that were filled in, for every member the same.
    terms = models.JSONField(_("terms"), default=dict)
    reason = models.CharField(_("reason"), max_length=40)
    ticket = models.CharField(_("ticket"), max_length=60, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    # Whether members are given it who were made good for this ticket already.
    is_again = models.BooleanField(_("also who was made good for this ticket"), default=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    asked_at = models.DateTimeField(_("at"))
    expires_at = models.DateTimeField(_("expires"))
    state = models.CharField(_("state"), max_length=9, choices=State)
    # How many lines came to which outcome, as given, or as it would have been when approval was asked for.
    counts = models.JSONField(_("outcomes"), default=dict)
    # Minor units: the worst case of the set when it was given, or asked for.
    exposure_minor = models.BigIntegerField(_("costs at most"), default=0)
    # Which limits it exceeded when it was asked: code, what is allowed, what would be reached.
    excesses = models.JSONField(_("exceeds"), default=list)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True)
    # Why it was declined.
    answer = models.CharField(_("answer"), max_length=500, blank=True)
    # When whoever asked said that she knows of the decision.
    read_at = models.DateTimeField(_("decision read"), null=True)
    granted_at = models.DateTimeField(_("granted"), null=True)
    undone_at = models.DateTimeField(_("undone"), null=True)

    class Meta:
        verbose_name = _("set of grants")
        verbose_name_plural = _("sets of grants")
        ordering = ["-asked_at", "-id"]
        permissions = [("supervise", _("Can see what everybody granted, with figures"))]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "asked_by", "reference"], name="a_set_of_grants_is_made_once_for_each_form"
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | Q(state="withdrawn") | ~Q(decided_by=F("asked_by")),
                name="nobody_approves_a_set_of_their_own",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["granted", "undone"], granted_at__isnull=False)
                | (~Q(state__in=["granted", "undone"]) & Q(granted_at__isnull=True)),
                name="a_granted_set_says_when",
            ),
        ]
        indexes = [
            # The list, and what waits: few are made a day.
            models.Index(fields=["programme", "-asked_at"], name="set_of_grants_by_programme"),
            # How many decisions an agent has not read: asked on each of her pages.
            models.Index(
                fields=["asked_by"],
                name="unread_decision_of_set",
                condition=Q(decided_at__isnull=False, read_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.ticket or str(self.pk)


class GrantBatchLine(models.Model):
    """One member that was named: where, and what became of it. Contact data that named her is kept masked."""

    batch = models.ForeignKey(
        GrantBatch, on_delete=models.PROTECT, related_name="lines", db_index=False, verbose_name=_("set")
    )
    # Her turn in the whole list; a line may name several.
    place = models.PositiveIntegerField(_("place"))
    line = models.PositiveIntegerField(_("line"))
    named = models.CharField(_("named"), max_length=254)
    member = relation("loyalty.Member", _("member"), related_name="+", null=True)
    # `assigned` or why not, as doors say it; empty while the set waits for approval.
    outcome = models.CharField(_("outcome"), max_length=30, blank=True)
    assignment = relation("offers.Assignment", _("assignment"), related_name="+", null=True)
    # What became of it when the set was undone: `undone`, or why it was kept.
    undone = models.CharField(_("undone"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("line of a set of grants")
        verbose_name_plural = _("lines of a set of grants")
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "place"], name="a_place_of_a_set_is_filled_once"),
        ]

    def __str__(self) -> str:
        return f"{self.line}: {self.outcome}"


# What became of a line, in words: as doors say it, and what only a list can have.
LINE_LABELS = OUTCOME_LABELS | {
    "": _("waits for approval"),
    "unknown_member": _("nobody is called this"),
    "ambiguous": _("several members have this e-mail address"),
    "repeated": _("stands above already"),
    "made_good": _("made good for this ticket already"),
}
# What became of it when the set was undone.
UNDONE_LABELS = {
    "": "",
    "undone": _("undone"),
    "redeemed": _("stays: used already"),
    "used_up": _("stays: used already"),
    "closed": _("stays: closed"),
    "expired": _("stays: over"),
    "revoked_before": _("revoked before"),
}
# The limits of allowances, as an excess names them.
LIMIT_LABELS = {
    "per_day": _("grants per day"),
    "day_minor": _("money per day"),
    "per_week": _("grants per week"),
    "week_minor": _("money per week"),
    "single_minor": _("money of one grant"),
    "member_number": _("grants to one member"),
    "member_minor": _("money to one member"),
}
