"""Every API view declares what a caller needs; one that declares nothing is closed."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from loyalty.models import ApiClient


class DenyUnlessDeclared(BasePermission):
    """The default: a view without its own permission answers nobody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


class HasScope(BasePermission):
    """The API client's key carries the scope that the view names for the method.

    A view sets `scopes = {"GET": "catalogue:read", "POST": "catalogue:write"}`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = getattr(view, "scopes", {}).get(request.method)
        return isinstance(request.auth, ApiClient) and needed is not None and needed in request.auth.scopes
