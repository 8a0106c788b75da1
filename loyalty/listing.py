"""Lists on staff pages: filters in the address bar, sort, count, paging, told apart from how a row looks.

A view hands a queryset and its columns; the template `support/_list.html` draws the frame, the view's own row
template the cells. Sorting takes column keys only, so nothing from the address reaches ORDER BY.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import InvalidPage, Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise, cached_property

PAGE_SIZE = 50


@dataclass(frozen=True)
class Column:
    """A column: `sort` is what orders it (a field path), empty when it cannot be sorted; `end` aligns numbers."""

    key: str
    label: str | Promise
    sort: str = ""
    end: bool = False


@dataclass(frozen=True)
class Heading:
    column: Column
    url: str
    direction: str
    """`ascending`, `descending` or empty, as aria-sort says it."""


class Listing:
    """One page of a list. `filters` is a bound form or django-filter form shown in the bar above, or None."""

    def __init__(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        columns: Sequence[Column],
        default_sort: str = "",
        filters: Any = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.request = request
        self.columns = columns
        self.filters = filters
        self.page_size = page_size
        self.sort = self._known(request.GET.get("sort", "")) or default_sort
        self.queryset = self._sorted(queryset)

    def _known(self, sort: str) -> str:
        return sort if any(column.key == sort.lstrip("-") and column.sort for column in self.columns) else ""

    def _sorted(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        column = next((column for column in self.columns if column.key == self.sort.lstrip("-") and column.sort), None)
        if column is None:
            return queryset
        # The key makes the order total, so that no row shows on two pages.
        prefix = "-" if self.sort.startswith("-") else ""
        return queryset.order_by(f"{prefix}{column.sort}", f"{prefix}pk")

    @cached_property
    def page(self) -> Page[Any]:
        paginator = Paginator(self.queryset, self.page_size)
        try:
            return paginator.page(self.request.GET.get("page", 1))
        except InvalidPage:
            return paginator.page(1)

    @property
    def count(self) -> int:
        return self.page.paginator.count

    @property
    def is_filtered(self) -> bool:
        return any(value for key, value in self.request.GET.items() if key not in {"sort", "page"})

    @cached_property
    def headings(self) -> list[Heading]:
        found = []
        for column in self.columns:
            is_current = column.sort and self.sort.lstrip("-") == column.key
            descending = self.sort.startswith("-")
            direction = ("descending" if descending else "ascending") if is_current else ""
            following = f"-{column.key}" if is_current and not descending else column.key
            found.append(Heading(column, self.address(sort=following, page="") if column.sort else "", direction))
        return found

    def address(self, **changes: Any) -> str:
        """Return this list's query string with some parameters changed; an empty value drops one."""
        query = self.request.GET.copy()
        for key, value in changes.items():
            if value in ("", None):
                query.pop(key, None)
            else:
                query[key] = str(value)
        return f"?{query.urlencode()}"

    @property
    def previous_url(self) -> str:
        return self.address(page=self.page.previous_page_number()) if self.page.has_previous() else ""

    @property
    def next_url(self) -> str:
        return self.address(page=self.page.next_page_number()) if self.page.has_next() else ""

    @property
    def query(self) -> str:
        """The filters and sort without the page: what an export or a saved view repeats."""
        return self.address(page="")
