"""Why an agent grants an offer: a list that the programme's administrator keeps."""

import re

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

CODE = re.compile(r"^[a-z][a-z0-9_]{0,39}$")


class GrantReason(models.Model):
    """One reason. A new programme gets the usual seven from a trigger on its table; a used one is never deleted.

    Door entries and the ledger keep the code; pages show the label as it is now.
    """

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", verbose_name=_("programme")
    )
    code = models.CharField(
        _("code"),
        max_length=40,
        validators=[
            RegexValidator(CODE.pattern, _("Use lower-case letters, digits and underscores, beginning with a letter."))
        ],
        help_text=_("What records keep. It stays as it is; the label may change."),
    )
    label = models.CharField(_("label"), max_length=100)
    position = models.PositiveSmallIntegerField(
        _("position"), default=100, db_default=100, help_text=_("Reasons are offered in this order, lowest first.")
    )
    is_active = models.BooleanField(
        _("is offered"), default=True, db_default=True, help_text=_("One that is not is kept for what was granted so.")
    )

    class Meta:
        verbose_name = _("reason for a grant")
        verbose_name_plural = _("reasons for grants")
        ordering = ["position", "label", "id"]
        constraints = [
            models.UniqueConstraint(fields=["programme", "code"], name="a_reason_code_is_used_once_per_programme"),
        ]

    def __str__(self) -> str:
        return self.label
