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
from django.utils.http import urlencode

from loyalty import long_page, whole_number

PAGE_SIZE = 50
# Of a long list; nobody goes further by a number, and an offset has to fit.
LAST_PAGE = 10_000_000
# What of the address says which page it is.
PLACE = ("page", "after", "before")
NOWHERE = dict.fromkeys(PLACE, "")


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
    """One page of a list. `filters` is a bound form or django-filter form shown in the bar above, or None.

    A long one (`is_long`) may have a hundred thousand rows and more: its next page is found by the last row of this
    one, and rows are counted up to a bound. Its columns are sorted by fields of the model, not by annotations. `whole`
    are its rows without the filters: a page goes on behind one of them that has left the filters meanwhile. `beside`
    are parameters of something else on the page: no filters, and kept when the filters change.
    """

    def __init__(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        columns: Sequence[Column],
        default_sort: str = "",
        filters: Any = None,
        page_size: int = PAGE_SIZE,
        is_long: bool = False,
        whole: QuerySet[Any] | None = None,
        beside: Sequence[str] = (),
    ) -> None:
        self.request = request
        self.columns = columns
        self.filters = filters
        self.page_size = page_size
        self.is_long = is_long
        self.whole = whole
        self.beside = beside
        self.sort = self._known(request.GET.get("sort", "")) or default_sort
        self.queryset = self._sorted(queryset)

    def _known(self, sort: str) -> str:
        return sort if any(column.key == sort.lstrip("-") and column.sort for column in self.columns) else ""

    @property
    def _order(self) -> str:
        """Return the field path that orders the rows, with its direction; empty where nothing is chosen."""
        column = next((column for column in self.columns if column.key == self.sort.lstrip("-") and column.sort), None)
        return "" if column is None else f"{'-' if self.sort.startswith('-') else ''}{column.sort}"

    def _sorted(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        # The key makes the order total, so that no row shows on two pages.
        prefix = "-" if self._order.startswith("-") else ""
        return queryset.order_by(self._order, f"{prefix}pk") if self._order else queryset

    @cached_property
    def page(self) -> Page[Any]:
        if self.is_long:
            given = self.request.GET
            return long_page.read(
                self.queryset,
                sort=self._order or "pk",
                size=self.page_size,
                number=whole_number.read(given.get("page"), most=LAST_PAGE) or 1,
                after=whole_number.read(given.get("after")),
                before=whole_number.read(given.get("before")),
                whole=self.whole,
            )
        paginator = Paginator(self.queryset, self.page_size)
        try:
            return paginator.page(self.request.GET.get("page", 1))
        except InvalidPage:
            return paginator.page(1)

    @cached_property
    def count(self) -> int:
        return min(self._counted, long_page.MOST_COUNTED) if self.is_long else self.page.paginator.count

    @property
    def is_counted(self) -> bool:
        """Say whether `count` is how many there are; a long list may have more."""
        return not self.is_long or self._counted <= long_page.MOST_COUNTED

    @cached_property
    def _counted(self) -> int:
        return long_page.count(self.queryset)

    @property
    def is_filtered(self) -> bool:
        return any(value for key, value in self.request.GET.items() if key not in {"sort", *PLACE, *self.beside})

    @property
    def kept(self) -> dict[str, str]:
        """Return what of the address stays when the filters change."""
        return {key: value for key in self.beside if (value := self.request.GET.get(key))}

    @property
    def clear_url(self) -> str:
        return f"{self.request.path}?{urlencode(self.kept)}" if self.kept else self.request.path

    @cached_property
    def headings(self) -> list[Heading]:
        found = []
        for column in self.columns:
            is_current = column.sort and self.sort.lstrip("-") == column.key
            descending = self.sort.startswith("-")
            direction = ("descending" if descending else "ascending") if is_current else ""
            following = f"-{column.key}" if is_current and not descending else column.key
            found.append(Heading(column, self.address(sort=following, **NOWHERE) if column.sort else "", direction))
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
        if not self.page.has_previous():
            return ""
        number = self.page.previous_page_number()
        # The first page begins with whatever is the first by then.
        before = self.page.object_list[0].pk if self.is_long and number > 1 and self.page.object_list else ""
        return self.address(page=number, before=before, after="")

    @property
    def next_url(self) -> str:
        if not self.page.has_next():
            return ""
        after = self.page.object_list[-1].pk if self.is_long else ""
        return self.address(page=self.page.next_page_number(), after=after, before="")

    @property
    def query(self) -> str:
        """The filters and sort without the page: what an export or a saved view repeats."""
        return self.address(**NOWHERE, **dict.fromkeys(self.beside, ""))
