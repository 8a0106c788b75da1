"""A programme (brand): everything else belongs to exactly one (D-21)."""

import zoneinfo

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

# Whoever makes a programme, by whatever door: it has the usual channels (S1-20). `address` as in Channel.Address.
USUAL_CHANNELS = """
    INSERT INTO loyalty_channel (programme_id, code, name, address)
    VALUES (NEW.id, 'email', 'E-mail', 'email'), (NEW.id, 'sms', 'SMS', 'phone'), (NEW.id, 'push', 'Push', ''),
           (NEW.id, 'receipt', 'Receipt', ''), (NEW.id, 'app', 'App', '');
    RETURN NULL;
"""


def known_zone(name: str) -> None:
    """Refuse a time zone that the machine does not know."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("“%(name)s” is not a time zone. Use one such as Europe/Paris."), params={"name": name})


def default_languages() -> list[str]:
    return ["en"]


class Programme(models.Model):
    slug = models.SlugField(_("slug"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    currency = models.CharField(
        _("currency"),
        max_length=3,
        default="EUR",
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Use an ISO 4217 code such as EUR."))],
    )
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[known_zone])
    languages = ArrayField(models.CharField(max_length=8), verbose_name=_("languages"), default=default_languages)
    accent = models.CharField(
        _("accent colour"),
        max_length=7,
        default="#2f6f4f",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", _("Use a colour such as #2f6f4f."))],
    )
    # The offers module can be off (S4-41); its two tables' display names are the programme's own (S4-03).
    offers_enabled = models.BooleanField(_("offers module is on"), default=True)
    offers_label = models.CharField(_("name of the offers table"), max_length=60, default="Offers")
    assignments_label = models.CharField(_("name of the assignments table"), max_length=60, default="Assignments")
    # Runs above either of these wait for a second person; null: none does for this.
    approval_members = models.PositiveIntegerField(
        _("runs of more members need approval"),
        null=True,
        blank=True,
        help_text=_("Somebody else than who launched it has to approve such a run. Empty: no number of members does."),
    )
    approval_cost_minor = models.BigIntegerField(
        _("runs that may cost more need approval"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(10**15)],
        help_text=_("The worst case of all assignments together, in cents. Empty: no cost does."),
    )
    # The demo's dates all move by this many whole weeks, fixed at first load; null where no demo was loaded.
    demo_shift_weeks = models.IntegerField(_("demo dates moved by (weeks)"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("programme")
        verbose_name_plural = _("programmes")
        ordering = ["name"]
        triggers = [
            pgtrigger.Trigger(
                name="a_programme_has_channels",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                func=USUAL_CHANNELS,
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)

    @property
    def default_language(self) -> str:
        return self.languages[0] if self.languages else "en"
