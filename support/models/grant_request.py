"""Grants above a limit, which wait for a second person (B-05)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from offers.models.assignment import relation


class GrantRequest(models.Model):
    """One agent's wish that waits: what she filled in, which limits it exceeds, and what a second person decided."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        APPROVED = "approved", _("approved")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPIRED = "expired", _("expired")

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("programme")
    )
    member = relation("loyalty.Member", _("member"), related_name="+")
    template = relation("offers.OfferTemplate", _("template"), related_name="+")
    # The rule values that were filled in, as the grant will have them.
    terms = models.JSONField(_("terms"), default=dict)
    # Minor units: the worst case when it was asked.
    exposure_minor = models.BigIntegerField(_("costs at most"))
    # The form's: the grant that follows is answered under it, so it happens once.
    reference = models.UUIDField(_("reference"))
    reason = models.CharField(_("reason"), max_length=40)
    ticket = models.CharField(_("ticket"), max_length=60, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    # Which limits it exceeded when it was asked: code, what is allowed, what would be reached.
    excesses = models.JSONField(_("exceeds"), default=list)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("asked by")
    )
    asked_at = models.DateTimeField(_("asked"))
    expires_at = models.DateTimeField(_("expires"))
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.WAITING)
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
    assignment = relation("offers.Assignment", _("assignment"), related_name="+", null=True)

    class Meta:
        verbose_name = _("waiting grant")
        verbose_name_plural = _("waiting grants")
        ordering = ["-id"]
        permissions = [("approve_grantrequest", "Can approve and decline grants above a limit")]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "member", "template", "reference"], name="a_form_asks_for_one_approval"
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | Q(state="withdrawn") | ~Q(decided_by=models.F("asked_by")),
                name="nobody_approves_a_grant_of_their_own",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at__isnull=True)
                | (~Q(state="waiting") & Q(decided_at__isnull=False)),
                name="a_decided_request_says_when",
            ),
            models.CheckConstraint(
                condition=Q(state="approved", assignment__isnull=False)
                | (~Q(state="approved") & Q(assignment__isnull=True)),
                name="an_approved_grant_was_granted",
            ),
        ]
        indexes = [
            # "Waiting grants", and how many they are on every page of who may approve.
            models.Index(fields=["programme", "asked_at"], name="waiting_grants", condition=Q(state="waiting")),
            # A member's timeline.
            models.Index(fields=["member", "-asked_at"], name="request_by_member"),
            # What came of an agent's own.
            models.Index(fields=["asked_by", "-asked_at"], name="request_by_agent"),
            # How many decisions an agent has not read: asked on each of her pages.
            models.Index(
                fields=["asked_by"],
                name="unread_decision_of_request",
                condition=Q(decided_at__isnull=False, read_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.state}"
