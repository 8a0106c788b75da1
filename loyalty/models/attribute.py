"""Definitions of members' attributes: name, type, label; the values are JSONB on the member."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class ValueType(models.TextChoices):
    TEXT = "text", _("text")
    NUMBER = "number", _("number")
    DATE = "date", _("date")
    BOOLEAN = "boolean", _("yes or no")
    LIST = "list", _("list of texts")


name_validator = RegexValidator(
    r"^[a-z][a-z0-9_]{0,59}$", _("Use lower-case letters, digits and underscores, beginning with a letter.")
)


class AttributeDefinition(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="attribute_definitions",
        verbose_name=_("programme"),
    )
    name = models.CharField(_("name"), max_length=60, validators=[name_validator])
    type = models.CharField(_("type"), max_length=10, choices=ValueType)
    label = models.CharField(_("label"), max_length=100)
    choices = ArrayField(models.CharField(max_length=200), verbose_name=_("choices"), default=list, blank=True)
    is_indexed = models.BooleanField(_("is indexed"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("attribute")
        verbose_name_plural = _("attributes")
        ordering = ["label"]
        constraints = [
            models.UniqueConstraint(fields=["programme", "name"], name="an_attribute_name_is_used_once_per_programme"),
        ]

    def __str__(self) -> str:
        return self.label
