"""The middleware that pages need and the API does not: sessions, forms, messages, what browsers are told.

An API request brings its own key or token and gets JSON; passing these by saves a third of its time (PERFORMANCE.md,
goal D). Each keeps the name and the base class that Django's and allauth's own checks look for.
"""

import csp.middleware
import django_htmx.middleware
import django_permissions_policy
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware import csrf

API = "/api/v1/"


class PagesOnly:
    """Put before a class of middleware: requests to the API pass it by."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(API):
            return self.get_response(request)  # type: ignore[attr-defined, no-any-return]
        return super().__call__(request)  # type: ignore[misc, no-any-return]


class PermissionsPolicyMiddleware(PagesOnly, django_permissions_policy.PermissionsPolicyMiddleware):
    pass


class CSPMiddleware(PagesOnly, csp.middleware.CSPMiddleware):
    pass


class SessionMiddleware(PagesOnly, sessions.SessionMiddleware):
    pass


class CsrfViewMiddleware(PagesOnly, csrf.CsrfViewMiddleware):
    pass


class AuthenticationMiddleware(PagesOnly, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(PagesOnly, messages.MessageMiddleware):
    pass


class HtmxMiddleware(PagesOnly, django_htmx.middleware.HtmxMiddleware):
    pass
