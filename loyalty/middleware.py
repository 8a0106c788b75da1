"""What every request is told first: the caller's address, and the programme that a staff person works in."""

import contextlib
import ipaddress
import uuid
from collections.abc import Callable
from typing import cast

import structlog
from django.conf import settings
from django.contrib import auth
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import resolve
from django.utils import translation
from django_structlog.middlewares import RequestMiddleware

from loyalty import staff
from loyalty.models import Programme

SESSION_KEY = "programme"
API = "/api/v1/"
REQUEST_ID = "X-Request-ID"


class CallerAddressMiddleware:
    """Behind a trusted proxy, REMOTE_ADDR is the address that the proxy saw: the last one of X-Forwarded-For.

    Those before it are whatever the caller wrote. Rates, keys' allowed addresses and the metrics read REMOTE_ADDR.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.TRUST_PROXY:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        last = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        # Not through the proxy (a check on this machine): the connection's own address stands.
        with contextlib.suppress(ValueError):
            request.META["REMOTE_ADDR"] = str(ipaddress.ip_address(last))
        return self.get_response(request)


class RequestLogMiddleware(RequestMiddleware):
    """Name the request, its person and its address in every line that is logged meanwhile; log a line at its end."""

    def prepare(self, request: HttpRequest) -> None:
        # The package would also log each beginning, and weigh a dozen headers that any caller can write.
        structlog.contextvars.bind_contextvars(request_id=str(uuid.uuid4()), ip=request.META.get("REMOTE_ADDR"))

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Tell the caller under which number the log speaks of the request."""
        response.headers[REQUEST_ID] = request_id()
        super().handle_response(request, response)


def request_id() -> str:
    """Return the number that every line logged for this request carries; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class ApiMiddleware:
    """API requests go straight to their views: they bring their own key or token, and are answered in JSON.

    Sessions, forms' tokens, messages and what browsers are told would cost a member's list a third of its time
    (PERFORMANCE.md, goal D). The API's sentences are English beside their stable codes; a member's texts follow her own
    language.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(API):
            return self.get_response(request)
        # A thread keeps the language of its request before.
        translation.deactivate()
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response.render() if isinstance(response, SimpleTemplateResponse) else response


class CurrentProgrammeMiddleware:
    """Set `request.programme` (or None) and `request.programmes`: those the person may choose from.

    One query, and only for a signed-in person: the API and the member's pages have no session and pay nothing. A
    choice that the person no longer has falls back to her first programme.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        RequestLogMiddleware.bind_user_id(request)
        programmes = _programmes(request)
        chosen = request.session.get(SESSION_KEY) if programmes else None
        scoped = staff.of(request)
        scoped.programmes = programmes
        current = next((programme for programme in programmes if programme.pk == chosen), next(iter(programmes), None))
        # None for who has no programme: no guarded page is reached without one.
        scoped.programme = cast(Programme, current)
        return self.get_response(request)


def _programmes(request: HttpRequest) -> list[Programme]:
    if not request.session.get(auth.SESSION_KEY) or not request.user.is_staff:
        return []
    if request.user.is_superuser:
        return list(Programme.objects.all())
    return list(request.user.programmes.all())
