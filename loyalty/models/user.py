"""People who work here: support agents, marketers, administrators."""

from django.contrib.auth.models import AbstractUser
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

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def __str__(self) -> str:
        return self.get_full_name() or self.username
