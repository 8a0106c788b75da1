"""Receipts and their lines. Written by the million: relations without database constraints (PERFORMANCE.md)."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Purchase(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("programme"),
        db_constraint=False,
        db_index=False,
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    member = models.ForeignKey(
        "loyalty.Member",
        on_delete=models.PROTECT,
        related_name="purchases",
        verbose_name=_("member"),
        db_constraint=False,
        db_index=False,
    )
    store = models.ForeignKey(
        "loyalty.Store",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("store"),
        db_constraint=False,
        db_index=False,
    )
    purchased_at = models.DateTimeField(_("purchased"))
    total_minor = models.BigIntegerField(_("total"))
    discount_minor = models.BigIntegerField(_("discount"), default=0)

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="a_purchase_external_id_is_used_once_per_programme"
            ),
        ]
        indexes = [
            # A member's receipts, newest first.
            models.Index(fields=["member", "-purchased_at"], name="purchase_by_member"),
        ]

    def __str__(self) -> str:
        return self.external_id


class PurchaseLine(models.Model):
    purchase = models.ForeignKey(
        Purchase,
        on_delete=models.PROTECT,
        related_name="lines",
        verbose_name=_("purchase"),
        db_constraint=False,
        db_index=False,
    )
    # The receipt's member, store and moment once more, so that targetings aggregate lines without a join.
    member = models.ForeignKey(
        "loyalty.Member",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("member"),
        db_constraint=False,
        db_index=False,
    )
    store = models.ForeignKey(
        "loyalty.Store",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("store"),
        db_constraint=False,
        db_index=False,
    )
    product = models.ForeignKey(
        "loyalty.Product",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("product"),
        db_constraint=False,
        db_index=False,
    )
    purchased_at = models.DateTimeField(_("purchased"))
    quantity = models.IntegerField(_("quantity"))
    amount_minor = models.BigIntegerField(_("amount"))
    discount_minor = models.BigIntegerField(_("discount"), default=0)

    class Meta:
        verbose_name = _("purchase line")
        verbose_name_plural = _("purchase lines")
        indexes = [
            # The lines of a receipt.
            models.Index(fields=["purchase"], name="line_by_purchase"),
            # Purchase aggregates by product, read from the index alone.
            models.Index(
                fields=["product", "purchased_at"],
                include=["member", "purchase", "quantity", "amount_minor"],
                name="line_by_product",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"
