"""People who work here: support agents, marketers, administrators."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    programmes = models.ManyToManyField(
        "loyalty.Programme",
        verbose_name=_("programmes"),
        blank=True,
        related_name="users",
        help_text=_("Programmes this person works in. Superusers work in all."),
    )
    # In which mails are written to her; empty: the programme's first one.
    language = models.CharField(
        _("language of e-mails"), max_length=8, blank=True, choices=settings.LANGUAGES, editable=False
    )
    # Kinds of mails that she does not want.
    muted_mails = ArrayField(
        models.CharField(max_length=20), verbose_name=_("e-mails not wanted"), default=list, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def __str__(self) -> str:
        return self.get_full_name() or self.username
