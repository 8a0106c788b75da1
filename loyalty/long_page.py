"""A page of a long list: reached by the row that it follows, whatever came before it is neither read nor counted.

PostgreSQL passes over everything in front of an OFFSET, with all that is joined to it. Here one index finds the keys of
a page, and only its rows are joined.
"""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Page, Paginator
from django.db.models import Model, Q, QuerySet

# Beyond it nobody counts rows: the list says "more than".
MOST_COUNTED = 10_000


class LongPage(Page[Any]):
    """Rows `number * size` and on, if nothing changed since the first page; `has_more` says whether any follow."""

    def __init__(self, rows: Sequence[Any], number: int, *, size: int, has_more: bool) -> None:
        super().__init__(rows, number, Paginator(rows, size))
        self.has_more = has_more

    def has_next(self) -> bool:
        return self.has_more

    def next_page_number(self) -> int:
        return self.number + 1

    def previous_page_number(self) -> int:
        return self.number - 1

    def start_index(self) -> int:
        return self.paginator.per_page * (self.number - 1) + min(1, len(self.object_list))

    def end_index(self) -> int:
        return self.paginator.per_page * (self.number - 1) + len(self.object_list)


def count(queryset: QuerySet[Any]) -> int:
    """Return how many rows there are, up to one more than MOST_COUNTED."""
    return queryset.order_by().values("pk")[: MOST_COUNTED + 1].count()


def read(
    queryset: QuerySet[Any],
    *,
    sort: str,
    size: int,
    number: int = 1,
    after: int | None = None,
    before: int | None = None,
    whole: QuerySet[Any] | None = None,
) -> LongPage:
    """Return a page of rows sorted by a field path of the model ("-" for the largest first), then by key.

    `after` and `before` are keys of rows: the page begins behind the one, or ends in front of the other. Without them,
    or where that row is gone, `number` is counted from the beginning. An impossible page is the first. `whole` are the
    rows of the list before any filter, where it has one: that row has to be of them, so that no other's place among
    them tells what it holds (D-21). One statement for the keys, one for the rows, and one for the row that they follow.
    """
    known = queryset if whole is None else whole
    for key, is_backwards in ((before, True), (after, False)):
        condition = _beyond(known, sort, key, is_backwards) if key is not None and number > 1 else None
        if condition is None:
            continue
        found = _rows(queryset.filter(condition), sort, size, is_backwards=is_backwards)
        # In front of it there was a full page; otherwise rows went since, and numbers begin anew.
        if found and (len(found) >= size or not is_backwards):
            rows = found[:size][::-1] if is_backwards else found[:size]
            return LongPage(rows, number, size=size, has_more=is_backwards or len(found) > size)
    begin = (number - 1) * size
    found = _rows(queryset, sort, size, begin=begin)
    if not found and begin:
        number, found = 1, _rows(queryset, sort, size)
    return LongPage(found[:size], number, size=size, has_more=len(found) > size)


def _rows(queryset: QuerySet[Any], sort: str, size: int, *, begin: int = 0, is_backwards: bool = False) -> list[Any]:
    """Return one row more than a page has, in the order in which they are read."""
    is_descending = sort.startswith("-") != is_backwards
    prefix = "-" if is_descending else ""
    order = (f"{prefix}{sort.lstrip('-')}", f"{prefix}pk")
    # Apart, and not inside the other statement: with as many joins as a list has, the planner would take the keys last.
    keys = list(queryset.order_by(*order).values_list("pk", flat=True)[begin : begin + size + 1])
    return list(queryset.filter(pk__in=keys).order_by(*order)) if keys else []


def _beyond(known: QuerySet[Any], sort: str, key: int, is_backwards: bool) -> Q | None:
    """Return the condition of rows beyond that known row in the order, or None where there is no such row.

    PostgreSQL takes an empty value for the largest of all. The first bound is what an index can use.
    """
    path = sort.lstrip("-")
    row = known.order_by().filter(pk=key).values_list(path, flat=True)[:1]
    if not row:
        return None
    value, is_up = row[0], sort.startswith("-") == is_backwards
    side = "gt" if is_up else "lt"
    if path in ("pk", known.model._meta.pk.name):
        return Q(**{f"pk__{side}": key})
    if value is None:
        tied = Q(**{f"{path}__isnull": True, f"pk__{side}": key})
        return tied if is_up else tied | Q(**{f"{path}__isnull": False})
    tied = Q(**{path: value, f"pk__{side}": key})
    beyond = Q(**{f"{path}__{side}e": value}) & (Q(**{f"{path}__{side}": value}) | tied)
    return beyond | Q(**{f"{path}__isnull": True}) if is_up and _is_nullable(known.model, path) else beyond


def _is_nullable(model: type[Model], path: str) -> bool:
    owner: Any = model
    for name in path.split("__"):
        try:
            field = owner._meta.get_field(name)
        except FieldDoesNotExist:
            return True
        if field.null:
            return True
        owner = field.related_model
    return False
