"""Pages are cursors: stable while rows arrive."""

from rest_framework.pagination import CursorPagination


class NewestFirstCursor(CursorPagination):
    ordering = "-id"
    page_size_query_param = "limit"
    max_page_size = 1000
