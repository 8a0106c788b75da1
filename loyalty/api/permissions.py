"""Every API view declares what a caller needs; one that declares nothing is closed."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from loyalty.api.authentication import ActingMember
from loyalty.models import ApiClient

if TYPE_CHECKING:
    # These classes are named in the settings that rest_framework.views reads while it is being imported.
    from rest_framework.views import APIView


class DenyUnlessDeclared(BasePermission):
    """The default: a view without its own permission answers nobody."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return False


class HasScope(BasePermission):
    """The API client's key carries the scope that the view names for the method.

    A view sets `scopes = {"GET": "catalogue:read", "POST": "catalogue:write"}`.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        needed = getattr(view, "scopes", {}).get(request.method)
        return isinstance(request.auth, ApiClient) and needed is not None and needed in request.auth.scopes


class IsMember(BasePermission):
    """A member by her token, or a trusted server that acts for one. Staff who look on may read only."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        caller = request.auth
        return isinstance(caller, ActingMember) and (caller.actor_id is None or request.method in SAFE_METHODS)


class IsStaffOrDemo(BasePermission):
    """For the documentation: no open docs in production (ASVS 13.4.5)."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return settings.DEMO or bool(getattr(request.user, "is_staff", False))
