"""Limits that are shared: how many an offer or a campaign may give, for how much, and how many each member (DESIGN 4).

One row for each offer or campaign that has limits. Whoever gives, or takes back, locks it last and changes it in the
same transaction, so what it says is exact whoever else writes.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Limit(models.Model):
    """What may be given, and what was. Money is worst-case benefit in minor units; days are the programme's."""

    config_offer = models.OneToOneField(
        "offers.ConfigOffer",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="limit",
        verbose_name=_("config offer"),
    )
    campaign = models.OneToOneField(
        "offers.Campaign",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="limit",
        verbose_name=_("campaign"),
    )
    cap = models.PositiveIntegerField(_("at most, in total"), null=True, blank=True)
    daily_cap = models.PositiveIntegerField(_("at most, per day"), null=True, blank=True)
    budget_minor = models.PositiveBigIntegerField(_("budget, in total"), null=True, blank=True)
    daily_budget_minor = models.PositiveBigIntegerField(_("budget, per day"), null=True, blank=True)
    # A soft one gives on and warns.
    is_budget_hard = models.BooleanField(_("stop at the budget"), default=True)
    per_member = models.PositiveSmallIntegerField(
        _("at most, per member"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    # What was given and not taken back, and what runs have reserved.
    assigned = models.BigIntegerField(_("given"), default=0, editable=False)
    spent_minor = models.BigIntegerField(_("spent"), default=0, editable=False)
    day = models.DateField(_("day"), null=True, editable=False)
    assigned_today = models.BigIntegerField(_("given on the day"), default=0, editable=False)
    spent_today_minor = models.BigIntegerField(_("spent on the day"), default=0, editable=False)
    # Since when a soft budget is overdrawn: the warning that pages show.
    overdrawn_at = models.DateTimeField(_("overdrawn since"), null=True, editable=False)
    # Since when the numbers say everything. Until then they are what was added to the limit and taken from it, and it
    # refuses nothing (`services.limit_counting`); likewise the members' counts.
    counted_at = models.DateTimeField(_("in force since"), null=True, editable=False)
    members_counted_at = models.DateTimeField(_("per member in force since"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        permissions = [("set_limits", _("Can set the limits of offers and campaigns"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(config_offer__isnull=True) ^ Q(campaign__isnull=True),
                name="a_limit_is_an_offers_or_a_campaigns",
            ),
            models.CheckConstraint(
                condition=Q(campaign__isnull=False) | Q(per_member__isnull=True),
                name="a_limit_per_member_is_a_campaigns",
            ),
        ]

    def __str__(self) -> str:
        return str(self.config_offer or self.campaign)

    @property
    def is_in_force(self) -> bool:
        """Say whether all that it limits was counted."""
        return self.counted_at is not None and (self.per_member is None or self.members_counted_at is not None)

    def on(self, day: date) -> tuple[int, int]:
        """Return how many, and what for, counts on that day; a later day that was begun counts for it."""
        is_same = self.day is not None and self.day >= day
        return (self.assigned_today, self.spent_today_minor) if is_same else (0, 0)


class LimitReservation(models.Model):
    """What a run took from a limit when it was planned, for everybody in its audience; leftovers go back."""

    limit = models.ForeignKey(Limit, on_delete=models.PROTECT, related_name="reservations", verbose_name=_("limit"))
    run = models.ForeignKey(
        "offers.MassAssignment",
        on_delete=models.PROTECT,
        related_name="limit_reservations",
        verbose_name=_("mass assignment"),
    )
    size = models.PositiveIntegerField(_("size"))
    exposure_minor = models.BigIntegerField(_("worst-case benefit each"))
    # Where it differs per member: what all of them can cost together.
    exposure_total_minor = models.BigIntegerField(_("worst-case benefit of all"), null=True)
    day = models.DateField(_("day"))
    released_at = models.DateTimeField(_("leftovers returned"), null=True)

    class Meta:
        verbose_name = _("limit reservation")
        verbose_name_plural = _("limit reservations")
        constraints = [
            models.UniqueConstraint(fields=["limit", "run"], name="a_run_reserves_once_from_a_limit"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.limit_id}[{self.size}]"


class MemberCount(models.Model):
    """How many assignments of a campaign a member was given: only where the campaign limits that."""

    pk = models.CompositePrimaryKey("campaign", "member")
    campaign = models.ForeignKey(
        "offers.Campaign", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    member = models.ForeignKey(
        "loyalty.Member", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    assigned = models.IntegerField(_("given"), default=0)

    class Meta:
        verbose_name = _("member's count")
        verbose_name_plural = _("members' counts")

    def __str__(self) -> str:
        return f"{self.campaign_id}/{self.member_id}"


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the day of the programme's zone that a moment lies in (D-09)."""
    return moment.astimezone(zone).date()
