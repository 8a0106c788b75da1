"""What is sold: products in a tree of categories, and groups across categories."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Category(models.Model):
    """A node with many products under it (S1-09); depth 0 is a department."""

    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="categories", verbose_name=_("programme")
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    name = models.CharField(_("name"), max_length=200)
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("parent"),
    )
    depth = models.PositiveSmallIntegerField(_("depth"), default=0)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="a_category_external_id_is_used_once_per_programme"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    programme = models.ForeignKey(
        "loyalty.Programme", on_delete=models.PROTECT, related_name="products", verbose_name=_("programme")
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    name = models.CharField(_("name"), max_length=200)
    brand = models.CharField(_("brand"), max_length=100, blank=True)
    package_size = models.CharField(_("package size"), max_length=60, blank=True)
    # The leaf, and its department once more: targetings filter by either without walking the tree.
    category = models.ForeignKey(
        Category,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="products",
        verbose_name=_("category"),
    )
    department = models.ForeignKey(
        Category,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("department"),
    )
    # False for a filler: sold or couponed, but not in the catalogue that was delivered.
    is_listed = models.BooleanField(_("is listed"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"], name="a_product_external_id_is_used_once_per_programme"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProductGroup(models.Model):
    """Products of different categories under one name (S1-11)."""

    programme = models.ForeignKey(
        "loyalty.Programme",
        on_delete=models.PROTECT,
        related_name="product_groups",
        verbose_name=_("programme"),
    )
    external_id = models.CharField(_("external id"), max_length=200, db_collation="C")
    name = models.CharField(_("name"), max_length=200)
    products = models.ManyToManyField(Product, verbose_name=_("products"), blank=True, related_name="groups")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("product group")
        verbose_name_plural = _("product groups")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "external_id"],
                name="a_product_group_external_id_is_used_once_per_programme",
            ),
        ]

    def __str__(self) -> str:
        return self.name
