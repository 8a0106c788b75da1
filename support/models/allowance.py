"""How much may be given at the desk before a second person looks: per agent, and to one member (B-05)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

# For each of an allowance's limits: its field, and whether it is money.
LIMITS = {
    "per_day": False,
    "day_minor": True,
    "per_week": False,
    "week_minor": True,
    "single_minor": True,
}


class Allowance(models.Model):
    """What an agent may grant alone. An agent's own row stands instead of her roles', those instead of everybody's.

    An empty limit is none. Of several roles the most generous value of each limit counts. Money is in minor units of
    the programme's currency; days and weeks, which begin on Monday, are the programme's (D-09).
    """

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", verbose_name=_("programme")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("person"),
    )
    role = models.ForeignKey(
        "auth.Group", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("role")
    )
    per_day = models.PositiveIntegerField(_("grants per day"), null=True, blank=True)
    day_minor = models.BigIntegerField(_("money per day"), null=True, blank=True)
    per_week = models.PositiveIntegerField(_("grants per week"), null=True, blank=True)
    week_minor = models.BigIntegerField(_("money per week"), null=True, blank=True)
    single_minor = models.BigIntegerField(_("money of one grant"), null=True, blank=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("allowance")
        verbose_name_plural = _("allowances")
        ordering = ["id"]
        constraints = [
            # Nobody, nothing twice: an agent, a role or everybody.
            models.UniqueConstraint(
                fields=["programme", "user", "role"], nulls_distinct=False, name="an_allowance_is_set_once_for_each"
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=True) | Q(role__isnull=True), name="an_allowance_is_for_a_person_or_a_role"
            ),
            models.CheckConstraint(
                condition=(Q(day_minor__isnull=True) | Q(day_minor__gte=0))
                & (Q(week_minor__isnull=True) | Q(week_minor__gte=0))
                & (Q(single_minor__isnull=True) | Q(single_minor__gte=0)),
                name="an_allowance_is_never_negative",
            ),
        ]

    def __str__(self) -> str:
        return str(self.user or self.role or _("everybody"))


class MemberAllowance(models.Model):
    """What one member may be given by the whole desk within some days, before a second person looks."""

    programme = models.OneToOneField(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", verbose_name=_("programme")
    )
    days = models.PositiveSmallIntegerField(_("within days"))
    number = models.PositiveIntegerField(_("grants"), null=True, blank=True)
    amount_minor = models.BigIntegerField(_("money"), null=True, blank=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("allowance of members")
        verbose_name_plural = _("allowances of members")
        constraints = [
            models.CheckConstraint(condition=Q(days__gte=1, days__lte=3660), name="an_allowance_looks_back_some_days"),
            models.CheckConstraint(
                condition=Q(amount_minor__isnull=True) | Q(amount_minor__gte=0),
                name="a_members_allowance_is_never_negative",
            ),
        ]

    def __str__(self) -> str:
        return str(self.days)
