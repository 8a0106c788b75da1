"""The personalized offer record. Only `offers.services.assignment` inserts rows here (a test greps).

Written by the million: relations without database constraints, three indexes (PERFORMANCE.md). Status is derived
from the moments, never stored.
"""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Source(models.IntegerChoices):
    """The door that an assignment came through (S0-11, S0-36)."""

    SUPPORT = 1, _("support desk")
    MASS_ASSIGNMENT = 2, _("mass assignment")
    CAMPAIGN = 3, _("campaign webhook")
    SCENARIO = 4, _("scenario")
    PENDING = 5, _("pending offers")
    API = 6, _("API")
    BULK_PRODUCER = 7, _("outside bulk producer")
    ATTRIBUTE = 8, _("attribute import")


class DatabaseUuid7(models.Func):
    function = "uuidv7"
    template = "%(function)s()"
    output_field = models.UUIDField()


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def of_programme(self, programme) -> "AssignmentQuerySet":
        return self.filter(member__programme=programme)

    def visible(self, now) -> "AssignmentQuerySet":
        """Those a member sees in her list: hers, not over, not taken back."""
        return self.filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now),
            revoked_at__isnull=True,
            closed_at__isnull=True,
            used_up_at__isnull=True,
        )

    def bulk_create(self, *args, **kwargs):
        raise TypeError("Assignments are made by offers.services.assignment.assign alone.")


def relation(to: str, label, **options) -> models.ForeignKey:
    return models.ForeignKey(
        to, on_delete=models.PROTECT, verbose_name=label, db_constraint=False, db_index=False, **options
    )


class Assignment(models.Model):
    id = models.UUIDField(_("personalized offer id"), primary_key=True, db_default=DatabaseUuid7(), editable=False)
    member = relation("loyalty.Member", _("member"), related_name="assignments")
    config_offer = relation("offers.ConfigOffer", _("config offer"), related_name="assignments")
    revision = relation("offers.OfferRevision", _("revision"), related_name="+")
    template = relation("offers.OfferTemplate", _("template"), related_name="+")
    campaign = relation("offers.Campaign", _("campaign"), related_name="+", null=True)
    run = relation("offers.MassAssignment", _("mass assignment"), related_name="+", null=True)
    source = models.SmallIntegerField(_("source"), choices=Source)
    reference = models.CharField(_("reference"), max_length=200, null=True)
    # One nullable number holds the repeat policy (D-01): null unlimited, 0 once ever, -1 one open, else the campaign.
    holding_key = models.BigIntegerField(_("holding key"), null=True)
    rank = models.IntegerField(_("rank"), default=100)
    # Materialised from the effective terms, so that the member's list runs no rules.
    starts_at = models.DateTimeField(_("starts"), null=True)
    ends_at = models.DateTimeField(_("ends"), null=True)
    acceptance_required = models.BooleanField(_("acceptance required"), default=False)
    exposure_minor = models.BigIntegerField(_("worst-case benefit"), default=0)
    # Rule values given at assignment; null where there are none: effective terms = revision || these (S0-08).
    terms = models.JSONField(_("terms"), null=True)
    fields = models.JSONField(_("extra fields"), null=True)
    voucher_code = relation("offers.VoucherCode", _("voucher code"), related_name="+", null=True)
    replaces = relation("self", _("replaces"), related_name="+", null=True)
    actor = relation("loyalty.User", _("actor"), related_name="+", null=True)
    issued_at = models.DateTimeField(_("issued"))
    synchronized_at = models.DateTimeField(_("synchronized"), null=True)
    exposed_at = models.DateTimeField(_("code shown"), null=True)
    seen_at = models.DateTimeField(_("seen"), null=True)
    accepted_at = models.DateTimeField(_("accepted"), null=True)
    used_up_at = models.DateTimeField(_("used up"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    updated_at = models.DateTimeField(_("updated"), db_default=Now())

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [
            # Carries the repeat policy and serves the member's list, which begins with the member.
            models.UniqueConstraint(
                fields=["member", "config_offer", "holding_key"], name="a_member_holds_an_offer_once_per_key"
            ),
            models.UniqueConstraint(
                fields=["voucher_code"], condition=Q(voucher_code__isnull=False), name="a_code_is_given_once"
            ),
        ]
        permissions = [
            ("grant_assignment", _("Can grant an offer to a member")),
            ("revoke_assignment", _("Can revoke an assignment")),
            ("reissue_assignment", _("Can reissue an assignment")),
            ("extend_assignment", _("Can extend an assignment")),
            ("close_assignment", _("Can close an assignment")),
            ("redeem_assignment", _("Can mark an assignment as redeemed")),
            ("see_voucher_code", _("Can see a member's voucher code")),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_synchronized(self) -> bool:
        return self.synchronized_at is not None

    def status(self, now) -> str:
        """Derive the status at `now`: one of the codes in `STATUS_LABELS`."""
        if self.revoked_at:
            return "revoked"
        if self.used_up_at:
            return "used_up"
        if self.closed_at:
            return "closed"
        if self.ends_at and self.ends_at <= now:
            return "expired"
        if self.synchronized_at is None:
            return "waiting_for_till"
        if self.acceptance_required and not self.accepted_at:
            return "waiting_for_acceptance"
        if self.starts_at and self.starts_at > now:
            return "upcoming"
        return "usable"


STATUS_LABELS = {
    "usable": _("usable"),
    "upcoming": _("not yet open"),
    "waiting_for_acceptance": _("waiting for acceptance"),
    "waiting_for_till": _("waiting for the till"),
    "used_up": _("used up"),
    "expired": _("expired"),
    "closed": _("closed"),
    "revoked": _("revoked"),
}


class AssignmentEvent(models.Model):
    """Every verb but issuing, with old and new values; append-only (B-18 builds its timeline from here)."""

    assignment = relation("offers.Assignment", _("assignment"), related_name="events")
    at = models.DateTimeField(_("at"))
    verb = models.CharField(_("verb"), max_length=30)
    source = models.SmallIntegerField(_("source"), choices=Source, null=True)
    actor = relation("loyalty.User", _("actor"), related_name="+", null=True)
    api_client = relation("loyalty.ApiClient", _("API client"), related_name="+", null=True)
    data = models.JSONField(_("data"), default=dict)

    class Meta:
        verbose_name = _("assignment event")
        verbose_name_plural = _("assignment events")
        indexes = [models.Index(fields=["assignment", "id"], name="event_by_assignment")]
        triggers = [
            pgtrigger.Protect(name="assignment_events_are_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return self.verb


class DoorEntry(models.Model):
    """A door instance's own memory: its references and the answers they got, refusals included.

    The desk's form, an API client or an inbound source asks again under the same reference and gets the same answer.
    """

    programme = models.ForeignKey("loyalty.Programme", on_delete=models.PROTECT, related_name="+", db_index=False)
    door = models.SmallIntegerField(_("door"), choices=Source)
    instance = models.CharField(_("instance"), max_length=100)
    reference = models.CharField(_("reference"), max_length=200)
    member = relation("loyalty.Member", _("member"), related_name="+", null=True)
    assignment = relation("offers.Assignment", _("assignment"), related_name="+", null=True)
    actor = relation("loyalty.User", _("actor"), related_name="+", null=True)
    answer = models.JSONField(_("answer"))
    # What the door knew besides: reason, ticket, note.
    context = models.JSONField(_("context"), default=dict)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("door entry")
        verbose_name_plural = _("door entries")
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "door", "instance", "reference"],
                name="a_reference_is_answered_once_per_door",
            ),
        ]
        indexes = [
            # "My grants today".
            models.Index(fields=["actor", "-created_at"], name="entry_by_actor", condition=Q(actor__isnull=False)),
            # Why a member got, or did not get, an offer.
            models.Index(fields=["member", "-created_at"], name="entry_by_member"),
        ]

    def __str__(self) -> str:
        return self.reference
