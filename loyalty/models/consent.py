"""Channels, which are data (S1-20, S3-14), and whether a member agreed to be written to on each."""

import re

import pgtrigger
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

CODE = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
code_validator = RegexValidator(
    CODE.pattern, _("Use lower-case letters, digits and underscores, beginning with a letter.")
)


class Channel(models.Model):
    """A way to reach members. A new programme gets the usual ones from a trigger on its table."""

    class Address(models.TextChoices):
        NONE = "", _("none")
        EMAIL = "email", _("e-mail address")
        PHONE = "phone", _("phone number")

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="channels", verbose_name=_("programme")
    )
    code = models.CharField(_("code"), max_length=40, validators=[code_validator])
    name = models.CharField(_("name"), max_length=100)
    address = models.CharField(
        _("needs"), max_length=10, choices=Address, default=Address.NONE, blank=True, db_default=""
    )
    is_active = models.BooleanField(_("is in use"), default=True, db_default=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["programme", "code"], name="a_channel_code_is_used_once_per_programme"),
        ]

    def __str__(self) -> str:
        return self.name


class Given(models.Model):
    """What a consent and each entry of its history say. Written by the million: members without a constraint."""

    member = models.ForeignKey(
        "loyalty.Member",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("member"),
        db_constraint=False,
        db_index=False,
    )
    channel = models.ForeignKey(
        Channel,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("channel"),
        db_constraint=False,
        db_index=False,
    )
    is_granted = models.BooleanField(_("is granted"))
    # When she said so, which may be long before we heard of it.
    changed_at = models.DateTimeField(_("changed"))
    source = models.CharField(_("source"), max_length=60)

    class Meta:
        abstract = True


class Consent(Given):
    """Whether a member agreed to a channel, as it is now; no row means that nobody asked her."""

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(fields=["member", "channel"], name="a_member_consents_once_per_channel"),
        ]
        indexes = [
            # Whom a channel reaches: read by criteria of whole programmes.
            models.Index(fields=["channel", "member"], include=["is_granted"], name="consent_by_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.member_id}/{self.channel_id}"


class ConsentEvent(Given):
    """What a consent became, append-only: the proof of who agreed, when and through whom."""

    at = models.DateTimeField(_("heard"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("user"),
        db_index=False,
    )  # fmt: skip
    api_client = models.ForeignKey(
        "loyalty.ApiClient", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("API client"),
        db_index=False,
    )  # fmt: skip

    class Meta:
        verbose_name = _("consent's history")
        verbose_name_plural = _("consents' history")
        # A member's history, newest first.
        indexes = [models.Index(fields=["member", "-id"], name="consent_event_by_member")]
        triggers = [pgtrigger.Protect(name="consent_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.member_id}/{self.channel_id}: {self.is_granted}"
