"""The voucher bank as a tape of segments (DESIGN 4).

Codes have dense positions 0 … size-1 in their segment. Drawing advances `cursor`; no code row is ever rewritten by
drawing, and the number left is a subtraction. A code made by a till is a row without a position (D-12).
"""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class VoucherBank(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="+", verbose_name=_("programme")
    )
    config_offer = models.OneToOneField(
        "offers.ConfigOffer",
        on_delete=models.PROTECT,
        related_name="voucher_bank",
        verbose_name=_("config offer"),
    )
    low_stock_at = models.PositiveIntegerField(_("warn below"), default=500)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("voucher bank")
        verbose_name_plural = _("voucher banks")
        permissions = [("import_vouchers", _("Can import voucher codes"))]

    def __str__(self) -> str:
        return str(self.config_offer)


class VoucherBatch(models.Model):
    """One imported file and what came of it (S4-21)."""

    bank = models.ForeignKey(VoucherBank, on_delete=models.PROTECT, related_name="batches", verbose_name=_("bank"))
    file_name = models.CharField(_("file"), max_length=255, blank=True)
    lines = models.PositiveIntegerField(_("lines"), default=0)
    imported = models.PositiveIntegerField(_("imported"), default=0)
    duplicates_in_file = models.PositiveIntegerField(_("duplicates in the file"), default=0)
    duplicates_in_bank = models.PositiveIntegerField(_("already in the bank"), default=0)
    expires_at = models.DateTimeField(_("codes expire"), null=True, blank=True)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("imported by"),
    )
    imported_at = models.DateTimeField(_("imported"), db_default=Now())

    class Meta:
        verbose_name = _("voucher import")
        verbose_name_plural = _("voucher imports")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name or f"#{self.pk}"

    @property
    def ignored(self) -> int:
        """Return how many lines were there already (S4-20)."""
        return self.duplicates_in_file + self.duplicates_in_bank


class VoucherSegment(models.Model):
    bank = models.ForeignKey(VoucherBank, on_delete=models.PROTECT, related_name="segments", verbose_name=_("bank"))
    batch = models.ForeignKey(
        VoucherBatch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="segments",
        verbose_name=_("import"),
    )
    expires_at = models.DateTimeField(_("codes expire"), null=True, blank=True)
    cursor = models.PositiveIntegerField(_("drawn"), default=0)
    size = models.PositiveIntegerField(_("size"), default=0)

    class Meta:
        verbose_name = _("voucher segment")
        verbose_name_plural = _("voucher segments")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(cursor__lte=models.F("size")),
                name="a_segment_never_draws_more_than_it_has",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bank_id}/{self.pk}"


class VoucherCode(models.Model):
    """Written by the million: relations without database constraints."""

    class Origin(models.IntegerChoices):
        BANK = 1, _("bank")
        TILL = 2, _("till")

    bank = models.ForeignKey(
        VoucherBank,
        on_delete=models.PROTECT,
        related_name="codes",
        verbose_name=_("bank"),
        db_constraint=False,
        db_index=False,
    )
    segment = models.ForeignKey(
        VoucherSegment,
        on_delete=models.PROTECT,
        null=True,
        related_name="codes",
        verbose_name=_("segment"),
        db_constraint=False,
        db_index=False,
    )
    position = models.PositiveIntegerField(_("position"), null=True)
    code = models.CharField(_("code"), max_length=100, db_collation="C")
    origin = models.SmallIntegerField(_("origin"), choices=Origin, default=Origin.BANK, db_default=Origin.BANK)
    voided_at = models.DateTimeField(_("voided"), null=True)

    class Meta:
        verbose_name = _("voucher code")
        verbose_name_plural = _("voucher codes")
        constraints = [
            models.UniqueConstraint(fields=["code", "bank"], name="a_code_is_once_in_its_bank"),
            models.UniqueConstraint(fields=["segment", "position"], name="a_position_holds_one_code"),
        ]

    def __str__(self) -> str:
        return self.code
