"""The two tables' fields as a programme names and extends them (S4-03, S4-08, S4-11).

A default field's row carries only its display name: it can neither be deleted nor change its type.
"""

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from loyalty.models.attribute import ValueType, name_validator


class FieldDefinition(models.Model):
    class Table(models.TextChoices):
        OFFERS = "offers", _("offers")
        ASSIGNMENTS = "assignments", _("assignments")

    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="field_definitions",
        verbose_name=_("programme"),
    )
    table = models.CharField(_("table"), max_length=12, choices=Table)
    name = models.CharField(_("name"), max_length=60, validators=[name_validator])
    type = models.CharField(_("type"), max_length=10, choices=ValueType)
    label = models.CharField(_("display name"), max_length=100)
    is_default = models.BooleanField(_("is a default field"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("field")
        verbose_name_plural = _("fields")
        ordering = ["table", "-is_default", "label"]
        constraints = [
            models.UniqueConstraint(fields=["programme", "table", "name"], name="a_field_name_is_used_once_per_table"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="a_default_field_is_never_deleted",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__is_default=True),
            ),
            pgtrigger.Protect(
                name="a_default_field_keeps_its_meaning",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__is_default=True)
                & (
                    pgtrigger.Q(old__name__df=pgtrigger.F("new__name"))
                    | pgtrigger.Q(old__type__df=pgtrigger.F("new__type"))
                    | pgtrigger.Q(old__table__df=pgtrigger.F("new__table"))
                    | pgtrigger.Q(new__is_default=False)
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.label


# What the source's two tables have from the start (S4-05..10): name, type, and first display name.
DEFAULTS: dict[str, list[tuple[str, str, str]]] = {
    FieldDefinition.Table.OFFERS: [
        ("id", ValueType.NUMBER, gettext_noop("Id")),
        ("name", ValueType.TEXT, gettext_noop("Name")),
        ("description", ValueType.TEXT, gettext_noop("Description")),
        ("offer_reference", ValueType.TEXT, gettext_noop("Offer reference")),
        ("to_synchronize", ValueType.BOOLEAN, gettext_noop("To synchronize")),
        ("require_vouchers", ValueType.BOOLEAN, gettext_noop("Require vouchers")),
        ("image_url", ValueType.TEXT, gettext_noop("Image URL")),
        ("web_page_url", ValueType.TEXT, gettext_noop("Web page URL")),
        ("update_moment", ValueType.DATE, gettext_noop("Updated")),
        ("creation_moment", ValueType.DATE, gettext_noop("Created")),
    ],
    FieldDefinition.Table.ASSIGNMENTS: [
        ("id", ValueType.TEXT, gettext_noop("Id")),
        ("used_voucher_code", ValueType.TEXT, gettext_noop("Voucher code")),
        ("synchronized", ValueType.BOOLEAN, gettext_noop("Synchronized")),
        ("profile_reference", ValueType.TEXT, gettext_noop("Member")),
        ("assignment_reference", ValueType.TEXT, gettext_noop("Assignment reference")),
        ("offer_reference", ValueType.TEXT, gettext_noop("Offer reference")),
        ("create_date", ValueType.DATE, gettext_noop("Assigned")),
        ("update_moment", ValueType.DATE, gettext_noop("Updated")),
        ("creation_moment", ValueType.DATE, gettext_noop("Created")),
    ],
}
