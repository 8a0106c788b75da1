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
    may_generate = models.BooleanField(
        _("make codes here"),
        default=False,
        help_text=_("Off: codes come from outside only. What is made here has to be exported to the till before use."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("voucher bank")
        verbose_name_plural = _("voucher banks")
        permissions = [
            ("import_vouchers", _("Can import voucher codes")),
            ("undo_vouchers", _("Can undo an import of voucher codes")),
            ("void_vouchers", _("Can void voucher codes")),
            ("generate_vouchers", _("Can make voucher codes")),
            ("export_vouchers", _("Can export voucher codes for the till")),
        ]

    def __str__(self) -> str:
        return str(self.config_offer)


class VoucherBatch(models.Model):
    """One imported file, or one set of codes made here, and what came of it (S4-21, D-07).

    Codes made here are drawn from the moment that they were exported (`exported_at`): the till has to know them first.
    """

    class Origin(models.IntegerChoices):
        FILE = 1, _("file")
        GENERATED = 2, _("made here")

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
    origin = models.PositiveSmallIntegerField(_("origin"), choices=Origin, default=Origin.FILE, db_default=Origin.FILE)
    pattern = models.CharField(_("pattern"), max_length=100, blank=True, default="")
    exported_at = models.DateTimeField(_("first exported"), null=True, blank=True)
    undone_at = models.DateTimeField(_("undone"), null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("undone by"),
    )
    removed = models.PositiveIntegerField(_("taken out by the undo"), default=0, db_default=0)

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

    @property
    def is_held(self) -> bool:
        """Say whether its codes wait for their export to the till (D-07)."""
        return self.origin == self.Origin.GENERATED and self.exported_at is None and self.undone_at is None


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
        indexes = [
            # Few are void: a bank's are counted without reading its codes.
            models.Index(fields=["bank"], name="void_codes_of_bank", condition=models.Q(voided_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.code
