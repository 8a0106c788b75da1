from django.contrib import admin

from loyalty.admin.audited import AuditedAdmin
from loyalty.models import Category, Product, ProductGroup


@admin.register(Category)
class CategoryAdmin(AuditedAdmin):
    list_display = ["name", "external_id", "parent", "depth"]
    list_select_related = ["parent"]
    list_filter = ["depth"]
    search_fields = ["name", "external_id__startswith"]
    autocomplete_fields = ["parent"]


@admin.register(Product)
class ProductAdmin(AuditedAdmin):
    list_display = ["name", "external_id", "brand", "category", "package_size", "is_listed"]
    list_select_related = ["category"]
    list_filter = ["is_listed"]
    search_fields = ["name", "external_id__startswith"]
    autocomplete_fields = ["category", "department"]
    ordering = ["-id"]


@admin.register(ProductGroup)
class ProductGroupAdmin(AuditedAdmin):
    list_display = ["name", "external_id", "updated_at"]
    search_fields = ["name", "external_id__startswith"]
    # A group may hold thousands: ids that are loaded by typing, not a list of all products.
    autocomplete_fields = ["products"]
