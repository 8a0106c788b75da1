"""Recurring runs: every day, week or month at a time of the programme's zone, each occurrence a run of its own."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class RunSchedule(models.Model):
    """What each of its runs is made of, and when. `next_at` is its next occurrence; null once it is over."""

    class Frequency(models.TextChoices):
        DAILY = "daily", _("every day")
        WEEKLY = "weekly", _("every week")
        MONTHLY = "monthly", _("every month")

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="run_schedules", verbose_name=_("programme")
    )
    # Of the form that made it: sent twice, it makes one.
    reference = models.UUIDField(_("reference"), editable=False)
    name = models.CharField(_("name"), max_length=200)
    template = models.ForeignKey(
        "offers.OfferTemplate", on_delete=models.PROTECT, related_name="+", verbose_name=_("template")
    )
    # In the version that it was made with, whatever becomes of the audience since (B-03).
    targeting_version = models.ForeignKey(
        "offers.TargetingVersion", on_delete=models.PROTECT, related_name="run_schedules", verbose_name=_("targeting")
    )
    campaign = models.ForeignKey(
        "offers.Campaign", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("campaign")
    )
    terms = models.JSONField(_("terms"), default=dict)
    member_values = models.JSONField(_("values per member"), default=dict)
    rank = models.IntegerField(_("rank"), null=True)
    hold_out_percent = models.DecimalField(_("held out"), max_digits=4, decimal_places=2, default=0)
    on_shortfall = models.CharField(_("when there is too little"), max_length=4, default="fail")
    wait_days = models.PositiveSmallIntegerField(_("waits at most (days)"), default=7)
    frequency = models.CharField(_("how often"), max_length=7, choices=Frequency)
    # The first day: of the week, and of the month, too. A month without such a day has its occurrence on its last one.
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"), null=True)
    time = models.TimeField(_("at"))
    next_at = models.DateTimeField(_("next"), null=True)
    paused_at = models.DateTimeField(_("paused"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    # Occurrences that nobody was there for, in all; and why the last one made no run.
    missed = models.PositiveIntegerField(_("missed"), default=0)
    failure = models.JSONField(_("failure"), null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("made by")
    )
    # The key that made it over the API, which does not approve its runs either.
    created_client = models.ForeignKey(
        "loyalty.ApiClient", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("made with the key")
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("schedule of runs")
        verbose_name_plural = _("schedules of runs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["programme", "reference"], name="a_schedule_reference_makes_one_schedule"),
        ]

    def __str__(self) -> str:
        return self.name
