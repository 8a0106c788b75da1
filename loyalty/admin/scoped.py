"""What every admin page of a programme's things shares: one programme at a time, bounded cost, nothing hard-deleted."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from loyalty import staff
from loyalty.admin.bound_form import ProgrammeForm, bound

# Counting a table of millions takes longer than any page may; beyond this a list says so by being full.
MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts up to MOST_COUNTED rows: the cost of a page does not grow with the table."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[:MOST_COUNTED].count()
        return len(rows)


class ScopedAdmin(admin.ModelAdmin):
    """Shows and keeps the things of the programme that the person works in; others' do not exist (D-21)."""

    # The path to the programme; a model that derives it from a parent names the way.
    programme_path = "programme"
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(**{self.programme_path: staff.of(request).programme})

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        given = super().get_exclude(request, obj) or ()
        return (*given, "programme") if self.programme_path == "programme" else tuple(given)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only what belongs to the same programme."""
        related = db_field.remote_field.model
        if "queryset" not in kwargs and any(field.name == "programme" for field in related._meta.fields):
            kwargs["queryset"] = related._default_manager.filter(programme=staff.of(request).programme)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Validate uniqueness within the programme, which is not a field of the form."""
        form = super().get_form(request, obj, change, **kwargs)
        if self.programme_path != "programme":
            return form
        return bound(form, ProgrammeForm, programme=staff.of(request).programme)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return staff.of(request).programme is not None and super().has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Parents of assignments are never hard-deleted (DESIGN 4); what may go says so itself."""
        return False


class ReadOnlyAdmin(ScopedAdmin):
    """Written by the engine alone: people look."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
