"""Mass assignments: a frozen audience, reserved codes and chunks that workers take (DESIGN 4).

draft -> awaiting_approval -> scheduled -> planned -> running <-> paused
      -> finished | finished_with_errors | failed | cancelled
finished | finished_with_errors | cancelled -> undoing -> undone (mass_assignment_undo)
"""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class MassAssignment(models.Model):
    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        AWAITING_APPROVAL = "awaiting_approval", _("awaiting approval")
        SCHEDULED = "scheduled", _("scheduled")
        PLANNED = "planned", _("planned")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        FINISHED = "finished", _("finished")
        FINISHED_WITH_ERRORS = "finished_with_errors", _("finished with errors")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        UNDOING = "undoing", _("being undone")
        UNDONE = "undone", _("undone")

    # Nothing of these is worked out yet: what they name is looked up when they begin.
    NOT_BEGUN = (State.DRAFT, State.AWAITING_APPROVAL, State.SCHEDULED)

    class OnShortfall(models.TextChoices):
        """What becomes of a run for which there are too few codes, or too little left of a limit (B-01)."""

        FAIL = "fail", _("assign nobody")
        CUT = "cut", _("cut it to what is there")
        WAIT = "wait", _("wait until there is enough")

    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="mass_assignments",
        verbose_name=_("programme"),
    )
    # Made with the form that starts the run: a form sent twice starts it once.
    reference = models.UUIDField(_("reference"), null=True, editable=False)
    name = models.CharField(_("name"), max_length=200)
    config_offer = models.ForeignKey(
        "offers.ConfigOffer",
        on_delete=models.PROTECT,
        related_name="mass_assignments",
        verbose_name=_("config offer"),
    )
    template = models.ForeignKey(
        "offers.OfferTemplate",
        on_delete=models.PROTECT,
        related_name="mass_assignments",
        verbose_name=_("template"),
    )
    targeting_version = models.ForeignKey(
        "offers.TargetingVersion",
        on_delete=models.PROTECT,
        null=True,
        related_name="mass_assignments",
        verbose_name=_("targeting"),
    )
    campaign = models.ForeignKey(
        "offers.Campaign",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="mass_assignments",
        verbose_name=_("campaign"),
    )
    # To whom the members are new: the run that this one goes on from, and the first of all that go on from each other;
    # none of their frozen audiences is assigned again (B-03).
    follows = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="followers", verbose_name=_("goes on from")
    )
    first = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("first of its line")
    )
    terms = models.JSONField(_("terms"), default=dict, blank=True)
    # Rules of which a field differs per member, keyed as terms; where each value comes from (S1-01, S1-05).
    member_values = models.JSONField(_("values per member"), default=dict, blank=True)
    rank = models.IntegerField(_("rank"), null=True, blank=True)
    # Of those who would get it, this share in percent gets nothing, to compare with (B-13, D-19).
    hold_out_percent = models.DecimalField(
        _("held out"), max_digits=4, decimal_places=2, default=0, validators=[MinValueValidator(0)]
    )
    on_shortfall = models.CharField(
        _("when there is too little"), max_length=4, choices=OnShortfall, default=OnShortfall.FAIL
    )
    wait_days = models.PositiveSmallIntegerField(_("waits at most (days)"), default=7)
    # Not planned before this moment; null: at once.
    launch_at = models.DateTimeField(_("launch at"), null=True, blank=True)
    # Whose occurrence it is, and which one.
    schedule = models.ForeignKey(
        "offers.RunSchedule", on_delete=models.PROTECT, null=True, related_name="runs", verbose_name=_("schedule")
    )
    occurrence_at = models.DateTimeField(_("occurrence"), null=True)
    state = models.CharField(_("state"), max_length=22, choices=State, default=State.DRAFT)
    # What a scheduled run waits for, as the failure that it would be; it fails of it at `wait_until` (B-01).
    waiting = models.JSONField(_("waits for"), null=True)
    wait_until = models.DateTimeField(_("waits until"), null=True)
    # Frozen when planning: what each row of this run carries.
    revision = models.ForeignKey("offers.OfferRevision", on_delete=models.PROTECT, null=True, related_name="+")
    holding_key = models.BigIntegerField(_("holding key"), null=True)
    starts_at = models.DateTimeField(_("offers start"), null=True)
    ends_at = models.DateTimeField(_("offers end"), null=True)
    acceptance_required = models.BooleanField(_("acceptance required"), default=False)
    to_synchronize = models.BooleanField(_("to synchronize"), default=False)
    require_vouchers = models.BooleanField(_("require vouchers"), default=False)
    # The dearest one's, where it differs per member; then what all of them together can cost stands beside it.
    exposure_minor = models.BigIntegerField(_("worst-case benefit each"), default=0)
    exposure_total_minor = models.BigIntegerField(_("worst-case benefit of all"), null=True)
    # Frozen when planning: how many matched, how many each reason left out, how many are to be assigned.
    matched = models.PositiveIntegerField(_("matched"), null=True)
    excluded = models.JSONField(_("left out"), default=dict)
    eligible = models.PositiveIntegerField(_("to assign"), null=True)
    # Why it failed: {"code": …, "message parameters": …}; shown by code.
    failure = models.JSONField(_("failure"), null=True)
    planning_attempts = models.PositiveSmallIntegerField(_("planning attempts"), default=0)
    leased_until = models.DateTimeField(_("planning leased until"), null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    launched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("launched by"),
    )
    launched_at = models.DateTimeField(_("launched"), null=True)
    planned_at = models.DateTimeField(_("planned"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("mass assignment")
        verbose_name_plural = _("mass assignments")
        ordering = ["-id"]
        permissions = [
            ("launch_massassignment", _("Can launch mass assignments")),
            ("approve_massassignment", _("Can approve mass assignments of others")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["programme", "reference"], name="a_run_reference_starts_one_run"),
            models.UniqueConstraint(fields=["schedule", "occurrence_at"], name="an_occurrence_is_one_run"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.state in {"finished", "finished_with_errors", "failed", "cancelled", "undone"}


class AudienceMember(models.Model):
    """One row per matched member: an ordinal for who is to be assigned, an outcome for who is not.

    The ordinal fixes which reserved code a member gets, so a chunk that is tried again gives the same one.
    """

    pk = models.CompositePrimaryKey("run", "member")
    run = models.ForeignKey(
        MassAssignment, on_delete=models.PROTECT, related_name="audience", db_constraint=False, db_index=False
    )
    member = models.ForeignKey(
        "loyalty.Member", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    ordinal = models.IntegerField(_("ordinal"), null=True)
    outcome = models.CharField(_("outcome"), max_length=20, null=True)
    details = models.JSONField(_("details"), null=True)
    # Where values differ per member, hers: terms, exposure_minor, and her period where that differs. (With eight
    # columns a row's header has 24 bytes, with nine it would have 32.)
    given = models.JSONField(_("values"), null=True)

    class Meta:
        verbose_name = _("audience member")
        verbose_name_plural = _("audience members")

    def __str__(self) -> str:
        return f"{self.run_id}/{self.member_id}"


class MassAssignmentChunk(models.Model):
    """A range of the frozen audience that one worker does in one transaction."""

    run = models.ForeignKey(
        MassAssignment, on_delete=models.PROTECT, related_name="chunks", verbose_name=_("mass assignment")
    )
    number = models.PositiveIntegerField(_("number"))
    first_member_id = models.BigIntegerField(_("first member"))
    last_member_id = models.BigIntegerField(_("last member"))
    size = models.PositiveIntegerField(_("size"))
    # Raised before the work, so that a chunk that kills its worker is not tried for ever.
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    leased_until = models.DateTimeField(_("leased until"), null=True)
    done_at = models.DateTimeField(_("done"), null=True)
    failed_at = models.DateTimeField(_("failed"), null=True)
    failure = models.CharField(_("cause"), max_length=500, blank=True)
    assigned = models.PositiveIntegerField(_("assigned"), default=0)
    # What those who were assigned can cost together; null where each one costs what the run says.
    exposure_minor = models.BigIntegerField(_("worst-case benefit"), null=True)
    refused = models.JSONField(_("refused"), default=dict)

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="a_chunk_number_is_used_once_per_run"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.number}"


class CodeReservation(models.Model):
    """A range of a segment that belongs to a run: ordinals first_ordinal … first_ordinal + size - 1."""

    run = models.ForeignKey(
        MassAssignment,
        on_delete=models.PROTECT,
        related_name="reservations",
        verbose_name=_("mass assignment"),
    )
    segment = models.ForeignKey(
        "offers.VoucherSegment",
        on_delete=models.PROTECT,
        related_name="reservations",
        verbose_name=_("segment"),
    )
    first_position = models.PositiveIntegerField(_("first position"))
    first_ordinal = models.PositiveIntegerField(_("first ordinal"))
    size = models.PositiveIntegerField(_("size"))
    released_at = models.DateTimeField(_("leftovers returned"), null=True)

    class Meta:
        verbose_name = _("code reservation")
        verbose_name_plural = _("code reservations")

    def __str__(self) -> str:
        return f"{self.run_id}: {self.segment_id}[{self.first_position}+{self.size}]"
